"""Files that are read into a ledger, with what became of each line; what they leave open, and what was answered."""

from django.db import models
from django.db.models.functions import Now

from accounts.models.accounts import Account
from accounts.models.tenancy import AccountScoped, OwnedByUser
from accounts.models.users import NO_CONTROL_CHARACTERS, User
from marketdata.models import Instrument
from marketdata.models.fields import UUIDv7Field


class ImportStatus(models.TextChoices):
    """How far an import came."""

    PREVIEWED = "PREVIEWED", "Previewed"
    WAITING = "WAITING", "Waiting"
    POSTING = "POSTING", "Being posted"
    POSTED = "POSTED", "Posted"
    PARTIAL = "PARTIAL", "Posted in part"
    REFUSED = "REFUSED", "Refused"
    FAILED = "FAILED", "Failed"
    UNDONE = "UNDONE", "Undone"


BEING_DONE = (ImportStatus.WAITING, ImportStatus.POSTING)


class ImportBatch(models.Model):
    """One file: what it is, and how many of its lines were posted, known already or refused and why.

    `spans` are the sequences its entries have in the ledger, from the first to the last of each run; `undone` those of the
    reversals that took them back. A batch that is being posted is held by one worker, until its lease ends.
    """

    id = UUIDv7Field()
    account = models.ForeignKey(Account, models.PROTECT, related_name="imports")
    file_name = models.CharField(max_length=255)
    format = models.CharField(max_length=30)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    status = models.CharField(max_length=10, choices=ImportStatus)
    lines = models.PositiveIntegerField(default=0)
    posted = models.PositiveIntegerField(default=0)
    known = models.PositiveIntegerField(default=0)
    progress = models.PositiveIntegerField(default=0, help_text="Lines done so far.")
    refused = models.JSONField(default=list, help_text="[{line, code, detail}] of every line that was not taken.")
    remarks = models.JSONField(default=list, help_text="[{code, detail}] of what was assumed where the file says nothing.")
    fates = models.JSONField(default=list, help_text="[[first line, last line, fate]] of all lines of the file.")
    figures = models.JSONField(default=dict, help_text="Cash and holdings before and after, and beside the statement's own.")
    options = models.JSONField(default=dict, help_text="How the file is to be read.")
    spans = models.JSONField(default=list, help_text="[[first, last]] sequences of its entries.")
    undone = models.JSONField(default=list, help_text="[[first, last]] sequences of the reversals that took them back.")
    actor = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True, blank=True)

    objects = AccountScoped.as_manager()

    class Meta:
        verbose_name_plural = "import batches"
        indexes = [
            models.Index(fields=["account", "created_at"], name="import_by_time"),
            models.Index(fields=["account", "sha256"], name="import_by_file"),
            models.Index(fields=["created_at"], condition=models.Q(status__in=BEING_DONE), name="import_to_be_done"),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.status})"


class ImportFile(models.Model):
    """The content of a file, packed, for as long as there is something to do with it; and its lines that were refused."""

    batch = models.OneToOneField(ImportBatch, models.CASCADE, primary_key=True, related_name="file")
    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    content = models.BinaryField(default=b"")
    refused = models.BinaryField(default=b"", help_text="The refused lines with their headings, to be mended and sent again.")

    objects = AccountScoped.as_manager()

    def __str__(self) -> str:
        return f"the file of {self.batch_id}"


class ImportQuestion(models.Model):
    """An instrument that a file names and of which it is not sure which one is meant; its lines wait for the answer."""

    id = UUIDv7Field()
    batch = models.ForeignKey(ImportBatch, models.CASCADE, related_name="questions")
    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    identity = models.CharField(max_length=300)
    hints = models.JSONField(default=dict, help_text="What the file says about it.")
    candidates = models.JSONField(default=list, help_text="Instruments that may be meant.")
    why = models.CharField(max_length=300, blank=True)
    lines = models.PositiveIntegerField(default=0)
    first_line = models.PositiveIntegerField(default=0)
    instrument = models.ForeignKey(Instrument, models.PROTECT, null=True, blank=True, related_name="+")

    objects = AccountScoped.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "identity"], name="question_once_per_import")]

    def __str__(self) -> str:
        return self.identity


class InstrumentAnswer(models.Model):
    """What a person has said an instrument of a broker's files to be; asked once, remembered for the next file."""

    id = UUIDv7Field()
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    source = models.CharField(max_length=50)
    identity = models.CharField(max_length=300)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    objects = OwnedByUser.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "source", "identity"], name="answer_once_per_name")]

    def __str__(self) -> str:
        return f"{self.identity} of {self.source}"


class ImportTemplate(models.Model):
    """How a person's files of one kind are to be read: which column says what; offered where a like file comes."""

    id = UUIDv7Field()
    user = models.ForeignKey(User, models.CASCADE, related_name="import_templates")
    name = models.CharField(max_length=100, validators=[NO_CONTROL_CHARACTERS])
    mapping = models.JSONField(default=dict)
    headings = models.JSONField(default=list, help_text="The headings of the file it was made for, by which a like one is seen.")
    created_at = models.DateTimeField()

    objects = OwnedByUser.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="import_template_name_once")]

    def __str__(self) -> str:
        return self.name
