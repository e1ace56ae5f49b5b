"""`tidegate doctor`: everything an earlier run, a hand or a crash left behind, and the command that mends it.

    finding      the kinds of findings, as a table that the documentation is tested against
    objects      what the catalogue says: indexes, constraints, partitions
    traffic      what sessions do: the two locks, orphans, transactions that stay open
    past         what the record says: runs that never ended, revisions that are half done
    files        the revision files against the record and the version table
    examination  all of these, each only as far as this role may see
    mending      `--fix` and `--accept`

`examination` only reads. `tidegate status` and `tidegate check` show its damage.
"""
