"""`tidegate doctor`: everything an earlier run, a hand or a crash left behind, and the command that mends it.

    finding      the kinds of findings, as a table that the documentation is tested against
    objects      what the catalogue says: indexes, constraints, partitions
    partitions   indexes of partitioned tables that lack a part
    traffic      what sessions do: the two locks, orphans, transactions that stay open
    past         what the record says of runs: who holds the lock, which never ended
    steps        revisions of which a part is committed
    files        the revision files against the record and the version table
    examination  all of these, each only as far as this role may see
    mending      `--fix` and `--accept`
    report       how all of it is shown

`examination` only reads. `tidegate status` and `tidegate check` show its damage.
"""
