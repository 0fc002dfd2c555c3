#!/bin/sh
# Brings Temporal's two databases to the schema of the server's version; a second run changes nothing.
set -eu
for database in temporal temporal_visibility; do
    kind=temporal
    [ "$database" = temporal_visibility ] && kind=visibility
    temporal-sql-tool --plugin postgres12 --ep postgres --port 5432 --user zhongtai --database "$database" \
        setup-schema --version 0.0
    temporal-sql-tool --plugin postgres12 --ep postgres --port 5432 --user zhongtai --database "$database" \
        update-schema --schema-name "postgresql/v12/$kind"
done
