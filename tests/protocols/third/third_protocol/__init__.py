"""A protocol that comes with a package of its own: how long are the answers of a data set?"""
