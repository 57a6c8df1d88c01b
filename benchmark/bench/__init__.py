"""Times the kit beside its peers: each row a ratio to a peer, or a limit, on the same work in the same run."""
