"""Exclusive canonicalization by lxml, for the property tests of ours.

Reads one JSON document a line: a SAML response whose assertion has a signature with an empty DigestValue. Prints
one JSON document a line: the canonical form of the assertion without that signature, the message with its digest
filled in, and the canonical form of its SignedInfo, all in base64.
"""

import base64
import hashlib
import json
import sys

from lxml import etree

DS = "{http://www.w3.org/2000/09/xmldsig#}"
EXCLUSIVE = "{http://www.w3.org/2001/10/xml-exc-c14n#}"
PARSER = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=False)


def prefixes(element):
    """The PrefixList below a Transform or CanonicalizationMethod."""
    inclusive = element.find(EXCLUSIVE + "InclusiveNamespaces")
    if inclusive is None:
        return None
    return inclusive.get("PrefixList").split()


def canonical(element, inclusive):
    """The canonical form of an element, in the namespaces that are in scope for it."""
    # Written out and read again, the element carries every declaration that it inherits.
    alone = etree.fromstring(etree.tostring(element, encoding="utf-8", with_tail=False), PARSER)
    return etree.tostring(
        alone, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=inclusive
    )


def without(element, child):
    """Takes a child out and leaves the text that follows it."""
    before = child.getprevious()
    tail = child.tail or ""
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        element.text = (element.text or "") + tail
    element.remove(child)


def answer(message):
    """What a signer needs of one message."""
    root = etree.fromstring(message.encode(), PARSER)
    signature = next(root.iter(DS + "Signature"))
    assertion = signature.getparent()
    transforms = list(signature.iter(DS + "Transform"))
    inclusive = prefixes(transforms[-1])
    without(assertion, signature)
    octets = canonical(assertion, inclusive)
    digest = base64.b64encode(hashlib.sha256(octets).digest()).decode()
    message = message.replace("@DIGEST@", digest)

    root = etree.fromstring(message.encode(), PARSER)
    signed_info = next(root.iter(DS + "SignedInfo"))
    method = signed_info.find(DS + "CanonicalizationMethod")
    signed = canonical(signed_info, prefixes(method))
    return {
        "canonical": base64.b64encode(octets).decode(),
        "message": base64.b64encode(message.encode()).decode(),
        "signed_info": base64.b64encode(signed).decode(),
    }


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))))
