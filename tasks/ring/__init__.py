"""The ring family: 20 cognitive tasks, their stimuli, their ring code and their observers."""

from ._ring_task import RING_TASKS as RING_TASKS, RingTask as RingTask
