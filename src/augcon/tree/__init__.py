"""Stage 1: the Context-Split-Tree."""

from augcon.tree.granularity import expected_nodes, granularity_of, nodes_asked
from augcon.tree.grow import Tree
from augcon.tree.rewrite import RewriteDivider
from augcon.tree.soundness import QuestionCheck
from augcon.tree.split import Divider, Division

__all__ = [
    "Divider",
    "Division",
    "QuestionCheck",
    "RewriteDivider",
    "Tree",
    "expected_nodes",
    "granularity_of",
    "nodes_asked",
]
