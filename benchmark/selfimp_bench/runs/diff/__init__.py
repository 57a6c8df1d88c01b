"""Two runs held side by side: what is pinned differently, and which part of it explains how many points."""
