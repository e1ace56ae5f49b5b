"""The short way for requests that are as the API describes them; everything else goes FastAPI's.

FastAPI looks at every route in turn, and for each request works out anew what an endpoint wants. That is half of a
request's processor time here. So routes whose endpoints want only what can be told beforehand are looked up in a tree
of their paths, and what their endpoints want is a list of steps, made once from FastAPI's own analysis of them
(`Dependant`). Values are checked by FastAPI's own functions, and whatever they object to goes the long way, with the
body read again from memory: so errors, the description of the API and the rules for values have one source.

Not for endpoints that answer anything but a finished `Response`, or want forms, cookies, files or background tasks.
Measured in `benchmarks/api.py`; why it is ours: docs/decisions/0030.
"""
