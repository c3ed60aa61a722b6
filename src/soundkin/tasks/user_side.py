"""What a task that learns from ratings knows of users: enough to say which tracks a user would like."""

from abc import ABC, abstractmethod

from torch import Tensor


class UserSide(ABC):
    """Users and tracks in one space, where user . track is how much the user is predicted to like the track.

    `users` holds the ids that the rows of `user_vectors` belong to. They are personal, and many: `to_json` leaves them
    out, so that a task built by `from_json` has none until whoever keeps them puts them back.
    """

    users: list[str]

    @abstractmethod
    def user_vectors(self) -> Tensor:
        """[users, factors]."""

    @abstractmethod
    def track_vectors(self, vectors: Tensor) -> Tensor:
        """[tracks, embedding] to [tracks, factors]."""
