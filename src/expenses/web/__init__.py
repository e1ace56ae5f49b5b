"""What all pages share. It knows no noun: accounts, ledger and reports bring their own templates and routes.

site.py       puts the rest into the application
page.py       templates to answers
assets.py     static files under addresses that change with their content
headers.py    what every answer tells the browser to allow
forms.py      what a submitted form says
overtaken.py  what is said when somebody else was faster
csrf.py       which forms are believed that nobody is signed in for
errors.py     errors as pages for people, problem+json for everybody else
flash.py      one sentence that survives a redirect
figures.py    amounts and dates as text
charts.py     the geometry of the bars
"""
