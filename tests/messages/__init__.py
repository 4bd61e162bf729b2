"""Every sentence by which esxforge says that something failed, read from its source: the page docs/messages.md.

``source`` finds what a name means, ``texts`` what an expression can say, ``collect`` the places where something is
said; ``page`` writes them down for people.
"""
