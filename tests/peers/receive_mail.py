#!/usr/bin/env python3
# Receives mail with aiosmtpd, and reads it with Python's own library, as a mail program would.
#
#   receive_mail.py [CERTIFICATE KEY USER PASSWORD]
#
# With a certificate, mail is taken after STARTTLS and AUTH only. Prints its port, then each mail as a line of JSON;
# ends when its standard input does.
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


def is_known(server, session, envelope, mechanism, login):
    known = (login.login, login.password) == (sys.argv[3].encode(), sys.argv[4].encode())
    return AuthResult(success=known)


class Mailbox:
    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.strict)
        sender, (recipient,) = message["From"].addresses[0], message["To"].addresses
        line = {
            "envelope": [envelope.mail_from, envelope.rcpt_tos],
            "hello": session.host_name,
            "encrypted": session.ssl is not None,
            "user": session.authenticated,
            "headers": sorted(name.lower() for name in message.keys()),
            "from": [sender.display_name, sender.addr_spec],
            "to": [recipient.display_name, recipient.addr_spec],
            "reply_to": message["Reply-To"] and message["Reply-To"].addresses[0].addr_spec,
            "subject": message["Subject"],
            "date": message["Date"].datetime.isoformat(),
            "message_id": message["Message-ID"],
            "auto_submitted": message["Auto-Submitted"],
            "type": message.get_content_type(),
            "parts": [part.get_content_type() for part in message.iter_parts()],
            "text": message.get_body(("plain",)).get_content(),
            "html": message.get_body(("html",)).get_content(),
            "defects": [str(defect) for part in message.walk() for defect in part.defects],
        }
        print(json.dumps(line), flush=True)
        return "250 OK"


options = {}
if len(sys.argv) > 1:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    options = {
        "tls_context": context,
        "require_starttls": True,
        "auth_required": True,
        "authenticator": is_known,
    }


class OnAnyPort(Controller):
    # The port is known after it is bound; the check of a connection would go to port 0.
    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


controller = OnAnyPort(Mailbox(), hostname="127.0.0.1", port=0, **options)
controller.start()
print(controller.port, flush=True)
sys.stdin.read()
controller.stop()
