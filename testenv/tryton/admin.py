"""trytond-admin, in half the time: it makes a database of modules that are shipped as they are.

Two things are left out. The records that the modules bring along are not validated one by one, which only finds what is
wrong with a module. And PostgreSQL is asked for the shape of a table by its own catalogs: the information schema, which
trytond asks some thousand times, joins all of the database's tables each time.
"""
import sys

from trytond import commandline
from trytond.config import config

COLUMNS = """
    SELECT a.attname, t.typname, a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
        CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN a.atttypmod - 4 END
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped"""
CONSTRAINTS = """
    SELECT c.conname, c.contype, c.confdeltype,
        (SELECT a.attname FROM pg_attribute AS a WHERE a.attrelid = c.conrelid AND a.attnum = c.conkey[1])
    FROM pg_constraint AS c WHERE c.conrelid = to_regclass(%s)"""
INDEXES = """
    SELECT i.relname FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid WHERE x.indrelid = to_regclass(%s)"""
DELETE_RULES = {'a': 'NO ACTION', 'r': 'RESTRICT', 'c': 'CASCADE', 'n': 'SET NULL', 'd': 'SET DEFAULT'}


def update_definitions(self, columns=None, constraints=None, indexes=None):
    from trytond.transaction import Transaction
    everything = columns is None and constraints is None and indexes is None
    cursor = Transaction().connection.cursor()
    table = ('"%s"."%s"' % (self.table_schema, self.table_name),)
    if columns or everything:
        cursor.execute(COLUMNS, table)
        self._columns = {
            name: {'typname': kind, 'notnull': notnull, 'size': size, 'default': default}
            for name, kind, notnull, default, size in cursor}
    if constraints or everything:
        cursor.execute(CONSTRAINTS, table)
        found = list(cursor)
        self._constraints = [name for name, _, _, _ in found]
        self._fk_deltypes = {column: DELETE_RULES[rule] for _, kind, rule, column in found if kind == 'f'}
    if indexes or everything:
        cursor.execute(INDEXES, table)
        self._indexes = [name for name, in cursor]


def main():
    options = commandline.get_parser_admin().parse_args()
    config.update_etc(options.configfile)
    commandline.config_log(options)
    from trytond import admin, backend  # only now: they read the configuration
    from trytond.model import ModelStorage
    ModelStorage._validate = classmethod(lambda cls, records, field_names=None: None)
    if backend.name == 'postgresql':
        from trytond.backend.postgresql.table import TableHandler
        TableHandler._update_definitions = update_definitions
    admin.run(options)


if __name__ == '__main__':
    sys.exit(main())
