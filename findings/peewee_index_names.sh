#!/usr/bin/env bash
# peewee 4.5.0 (PyPI): an index of a model is named after the model's class, not after its table.
#
# A model whose table_name is set keeps its table if its class is renamed. Its indexes do not keep their names: the next
# create_tables() makes each of them a second time, beside the old ones, and says nothing. An option `name` in Meta keeps
# the names. Source: Metadata and the names of indexes in peewee.py of that version.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-deps peewee==4.5.0
"$folder/venv/bin/python" - <<'PYTHON'
import peewee

database = peewee.SqliteDatabase(":memory:")


def award_model(class_name, **options):
    meta = type("Meta", (), {"database": database, "table_name": "awards", **options})
    return type(class_name, (peewee.Model,), {"user": peewee.TextField(index=True), "Meta": meta})


def indexes():
    return sorted(index.name for index in database.get_indexes("awards"))


print("peewee", peewee.__version__)
database.create_tables([award_model("Award")])
before = indexes()
database.create_tables([award_model("AwardRow")])
after = indexes()
print("class Award:              ", before)
print("class renamed to AwardRow:", after)
database.drop_tables([award_model("AwardRow")])
database.create_tables([award_model("Award")])
database.create_tables([award_model("AwardRow", name="award")])
named = indexes()
print("with Meta.name = 'award': ", named)
assert (before, after, named) == (["award_user"], ["award_user", "awardrow_user"], ["award_user"])
PYTHON
