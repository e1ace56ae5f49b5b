"""`tidegate check`: go or no-go, from the new image against the live database, before anything stops. Only reads.

`finding` what a check says · `session` server, pooler, connections, lock, damage · `tables` sizes and who is in the
way · `privileges` what the role lacks · `report` all of it together.
"""
