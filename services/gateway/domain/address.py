"""E-mail addresses, as far as their text says. Also of networks that nobody outside knows: `.local` and the like."""

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

# The library's own switch: closed networks do send mail under these.
for name in ("local", "localhost", "test"):
    SPECIAL_USE_DOMAIN_NAMES.remove(name)


def email_address(text: str) -> str:
    """The address in its normal spelling; raises ValueError with the reason."""
    try:
        # Whether mail can be delivered there is for the mail server to say.
        found = validate_email(text, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise ValueError(f"is not a valid e-mail address: {error}") from error
    return found.normalized
