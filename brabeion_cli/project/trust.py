"""Badge modules and the configuration are code. If they were found by searching, nobody else may have written them."""

from __future__ import annotations

import os
import stat

from brabeion_cli.errors import UntrustedPathError


def require_trusted(path: str, way_out: str) -> None:
    """Raise `UntrustedPathError` if another user (except root) owns `path`, or if everybody may write to it.

    `way_out` is the option that names the path explicitly, which skips this check.
    """
    try:
        status = os.stat(path)
    except OSError:
        return  # the code that opens it will report this
    if status.st_uid not in (0, os.geteuid()):
        reason = f"belongs to another user (uid {status.st_uid})"
    elif status.st_mode & stat.S_IWOTH:
        reason = f"may be written by everybody (mode {stat.S_IMODE(status.st_mode):04o})"
    else:
        return
    raise UntrustedPathError(
        f"{path} {reason}. It was found by searching and holds code, so it was not used. "
        f"If you trust it, name it: {way_out}"
    )
