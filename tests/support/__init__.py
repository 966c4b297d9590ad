"""What several test modules share. The fixtures are in `tests/conftest.py`.

- `project`: a directory with badges and a database, driven through the real command
- `command_server`: runs commands in forks of one process, which is quicker than starting Python for each
- `badge_texts`: badge files that many tests write
- `event_lines`: lines for `ingest`
- `tasks`: a queue with tasks, seen from outside (`process-queue`) and inside (claims)
- `older_databases`: databases of schema version 1
- `processes`: waiting for a condition, processes that should have ended
- `costs`: what a piece of work costs SQLite, in steps of its virtual machine
- `disks`: a disk that is full
- `texts`: strategies for text
- `lengths`: tests in two lengths, for the quick suite and for `pytest -m long`
- `moments`: the moment at which tests happen
"""
