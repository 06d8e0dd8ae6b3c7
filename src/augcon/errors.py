"""Everything that can go wrong, as one tree.

    AugConError
    ├── UserError              the user can mend it: exit code 2
    │   ├── SettingsError      a misspelt key, an impossible value, two settings that disagree
    │   ├── CorpusError        no such path, nothing readable in it, changed while it was read
    │   ├── ExamplesError      an annotated example or a prompt file that cannot be used
    │   ├── ScorerError        a saved scorer that is damaged, or does not go with the model
    │   ├── OutputError        the output folder belongs to another run, or holds none
    │   └── MissingExtraError  an optional dependency that is not installed
    ├── RunError               it concerns the whole run, which stops and can be resumed: exit 1
    │   ├── ModelError         server gone, quota spent
    │   │   ├── KeyRefusedError a wrong key or none (exit code 2: the user can mend it)
    │   │   └── NotServedError no such model or path at the server (exit code 2)
    │   ├── BudgetSpentError   what the user allowed is spent
    │   ├── AssetError         the embedded model's files cannot be had
    │   └── StoreError         disk full, database damaged or locked
    └── ItemError              it concerns one item: recorded with its reason, the run goes on
        ├── ReplyError         the model's reply cannot be used, after all tries
        ├── RequestFailed      the server fails at this one request alone, after all tries
        └── RequestRefused     the server refuses this one request
            ├── TooLongError       it does not fit the model's window
            └── ContentRefused     the server's policy, or its model, will not deal with it

A message says what happened, to which item, and what can be done. Every error is built from
positional strings alone, so that it can be pickled and carried between processes.
"""

EXTRAS = {  # what pyproject.toml lists under these names
    "local": "gguf huggingface_hub psutil safetensors xllamacpp",
    "train": "accelerate datasets gguf peft safetensors torch transformers trl",
}
LONGEST_REPLY = 2000  # characters of an unusable reply that are kept with its item


class AugConError(Exception):
    """Root of every error that this package raises on purpose."""

    exit_code = 1


class UserError(AugConError):
    """The user's input or settings are wrong, and only the user can mend them."""

    exit_code = 2


class SettingsError(UserError):
    """A setting has an unknown name or an impossible value."""


class CorpusError(UserError):
    """The corpus cannot be read at all."""


class ExamplesError(UserError):
    """An annotated example, a principle or a prompt file cannot be used."""


class ScorerError(UserError):
    """A saved scorer is damaged, or goes with another model than this one."""


class OutputError(UserError):
    """The output folder cannot be used for this command."""


class MissingExtraError(UserError):
    """Optional dependencies are needed and not installed: those of an extra, or some packages."""

    def __init__(self, purpose: str, what: str) -> None:
        super().__init__(purpose, what)
        self.purpose = purpose
        self.what = what

    def __str__(self) -> str:
        packages = EXTRAS.get(self.what, self.what)
        return f"{self.purpose} needs more packages: pip install {packages}"


class RunError(AugConError):
    """The whole run cannot go on; what is done is kept, and the run can be resumed."""


class ModelError(RunError):
    """The model or its server cannot be used at all."""


class KeyRefusedError(ModelError):
    """The server does not take the key."""

    exit_code = 2


class NotServedError(ModelError):
    """The server knows no such model, or no such path."""

    exit_code = 2


class BudgetSpentError(RunError):
    """The next request might pass what the user allowed to be spent."""


class AssetError(RunError):
    """A file of the embedded model cannot be fetched, checked or prepared."""


class StoreError(RunError):
    """The run's database cannot be written or read."""


class ItemError(AugConError):
    """One item failed; its siblings and all other contexts go on."""

    reason = "failed"

    @property
    def detail(self) -> str:
        """What the books keep of it."""
        return str(self)


class ReplyError(ItemError):
    """A model's reply could not be used, after every allowed try."""

    reason = "unusable_reply"

    def __init__(self, problem: str, reply: str = "") -> None:
        super().__init__(problem, reply)
        self.problem = problem
        self.reply = reply

    def __str__(self) -> str:
        return self.problem

    @property
    def detail(self) -> str:
        return f"{self.problem}: {self.reply[:LONGEST_REPLY]}" if self.reply else self.problem


class RequestFailed(ItemError):  # noqa: N818 - the failure is the server's
    """The server fails at this one request every time, and answers others."""

    reason = "server_fault"


class RequestRefused(ItemError):  # noqa: N818 - the server's refusal is the name of the thing
    """The server answered that it will not serve this one request."""

    reason = "request_refused"


class TooLongError(RequestRefused):
    """The request and its reply do not fit the model's window; smaller parts of it may."""

    reason = "too_long"


class ContentRefused(RequestRefused):
    """The server, or its model, will not deal with this content."""

    reason = "content_refused"
