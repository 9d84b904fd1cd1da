"""The people we serve: who they are, what they agreed to and follow, what they may ask for, how they sign in."""

from openbell.people.addresses import normalise
from openbell.people.consents import consent, consents_of, wants
from openbell.people.errors import FollowRefused, InvalidAddress, PeopleError, UnknownPerson
from openbell.people.follows import follow, followers, tickers_of, unfollow
from openbell.people.person import (
    LOCAL_OPERATOR,
    Person,
    add_person,
    admins,
    change_person,
    find_by_address,
    find_person,
    list_people,
    move,
)

__all__ = [
    "LOCAL_OPERATOR",
    "FollowRefused",
    "InvalidAddress",
    "PeopleError",
    "Person",
    "UnknownPerson",
    "add_person",
    "admins",
    "change_person",
    "consent",
    "consents_of",
    "find_by_address",
    "find_person",
    "follow",
    "followers",
    "list_people",
    "move",
    "normalise",
    "tickers_of",
    "unfollow",
    "wants",
]
