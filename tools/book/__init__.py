"""The book without Quarto: write README.md, check the chapters, run them, measure their code.

`python -m tools.book --help` lists the commands. The modules, each above those that it uses:

    __main__     the command line
    checks/      what makes a chapter fail, one subject a module
    entries      what the reference says about an exported definition
    arguments    the comment of each argument of one
    measures     how much a notebook explains, and how long it is
    density      how dense the code is: a table, and the worst spots
    spots        the lines and functions of that code, with their sizes
    sources      the code itself: cells, tests, tools
    readme       README.md from index.ipynb
    github       Quarto's markdown in GitHub's
    run, tidy    execute notebooks; outputs that do not change from run to run
    chapters     the book, read once
    definitions  what exported cells define
    cells        a cell of a notebook
    bibliography refs.bib
    markdown     headings, labels, citations and links in a text

Only `run` and `density` need more than the standard library: CI starts from a bare Python.
"""
