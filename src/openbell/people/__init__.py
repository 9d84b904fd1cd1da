"""The people we serve: who they are, what they follow and consented to, and how they sign in."""
