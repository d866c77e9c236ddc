//! Our verifier against xmlsec1: never is anything accepted that xmlsec1 refuses, and never anything read that
//! xmlsec1 has not digested.
//!
//! Separate because it needs the program `xmlsec1`, and says of thousands of messages what nobody has thought of
//! one by one. Built with `second-opinion`, samael is asked about the same messages within the verifier.
//!
//! Rules: genuine messages vary in everything that a signer may choose; then they are spelled otherwise, attacked,
//! or both. The other direction is only counted: the profile refuses much that xmlsec1 would verify.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use anteroom::saml::{self, Attribute, IdentityProvider, VerifiedAssertion};

use crate::chance::Chance;
use crate::checks::World;
use crate::idp::{Algorithm, Digest, Idp, Message, Sign, SigningKey, escape};
use crate::mutation::{ATTACKS, Change, SPELLINGS};

/// How many messages an everyday run looks at; `scripts/differential` looks at more.
const CASES: u64 = 240;

/// One message and the key that its signer has.
struct Case {
    number: u64,
    message: String,
    key: usize,
    /// What was done to it.
    changes: Vec<&'static str>,
}

/// The keys of the signers, with the metadata that names them and a file with the certificate.
struct Signers {
    all: Vec<(&'static SigningKey, IdentityProvider, PathBuf)>,
    directory: tempfile::TempDir,
}

impl Signers {
    fn get() -> &'static Self {
        static SIGNERS: OnceLock<Signers> = OnceLock::new();
        SIGNERS.get_or_init(|| {
            let directory = tempfile::tempdir().expect("a directory");
            let keys = [SigningKey::rsa(), SigningKey::p256(), SigningKey::p384()];
            let all = keys.into_iter().enumerate().map(|(number, key)| {
                let idp = Idp { key, further_keys: Vec::new(), ..World::get().idp.clone() };
                let trusted =
                    saml::metadata::parse(&idp.metadata_xml(), World::get().now).expect("good metadata");
                let file = directory.path().join(format!("{number}.der"));
                std::fs::write(&file, &key.certificate).expect("written");
                (key, trusted, file)
            });
            Self { all: all.collect(), directory }
        })
    }
}

impl Case {
    fn of(number: u64) -> Self {
        let mut chance = Chance::of(number);
        let (message, key) = genuine(&mut chance);
        let mut case = Self { number, message: message.to_xml(), key, changes: Vec::new() };
        // A quarter as it is or spelled otherwise, the rest attacked as well.
        for _ in 0..chance.below(4) {
            case.change(&SPELLINGS, &mut chance);
        }
        if !chance.once_in(4) {
            for _ in 0..=chance.below(2) {
                case.change(&ATTACKS, &mut chance);
            }
        }
        case
    }

    fn change(&mut self, of: &[(&'static str, Change)], chance: &mut Chance) {
        let (name, make) = *chance.one(of);
        if let Some(changed) = make(&self.message, chance) {
            self.message = changed;
            self.changes.push(name);
        }
    }
}

type Rewrite = fn(&str) -> String;

/// Signed although the profile refuses it: the signature itself is right.
const UNUSUAL: [Rewrite; 6] = [
    |text| text.replacen("xml-exc-c14n#\"></", "xml-exc-c14n#WithComments\"></", 1),
    |text| text.replacen("URI=\"#", "Type=\"urn:x\" URI=\"#", 1),
    |text| text.replacen("<Transforms>", "<Transforms><Transform Algorithm=\"urn:x\"></Transform>", 1),
    |text| {
        let one = "<Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></Transform>";
        text.replacen(one, &one.repeat(2), 1)
    },
    |text| text.replacen("<Reference ", "<Reference Id=\"_ref\" ", 1),
    |text| text.replacen("</SignatureMethod>", "\n</SignatureMethod>", 1),
];

/// A message that is right in every way, or at least signed by the right key.
fn genuine(chance: &mut Chance) -> (Message, usize) {
    let world = World::get();
    let key = chance.below(3);
    let signing = Signers::get().all.get(key).expect("there are three").0;
    let mut message = world.idp.answer(&world.request, world.now).signed_by(signing);
    message.sign = *chance.one(&[Sign::Assertion, Sign::Assertion, Sign::Response, Sign::Both]);
    if chance.once_in(2) {
        message = message.prefixed();
    }
    let digests = [Digest::Sha256, Digest::Sha256, Digest::Sha384, Digest::Sha512, Digest::Sha1];
    message.signer.digest = *chance.one(&digests);
    if key == 0 {
        let algorithms = [Algorithm::RsaSha256, Algorithm::RsaSha384, Algorithm::RsaSha512];
        message.signer.algorithm = *chance.one(&algorithms);
    }
    for number in 0..chance.below(4) {
        let odd =
            ["", "a > b && \"c\"", "Märta \u{1f642}", " padded ", "line\nbreak\rand\ttab", "]]>", "e\u{301}"];
        let values: Vec<&str> = (0..chance.below(3)).map(|_| *chance.one(&odd)).collect();
        if !values.is_empty() {
            message.set(&format!("urn:x:{number}"), &values);
        }
    }
    if chance.once_in(8) {
        message = message.signed_by(SigningKey::foreign());
    }
    if chance.once_in(8) {
        message.signer.rewrite_signed_info = Some(*chance.one(&UNUSUAL));
    }
    if chance.once_in(6) {
        message.name_id = None;
    }
    (message, key)
}

/// What xmlsec1 says.
fn xmlsec1(case: &Case, options: &[&str]) -> Output {
    let signers = Signers::get();
    let file = signers.directory.path().join(format!("{}.xml", case.number));
    if !file.exists() {
        std::fs::write(&file, &case.message).expect("written");
    }
    let (_, _, certificate) = signers.all.get(case.key).expect("a key");
    Command::new("xmlsec1")
        .args(["--verify", "--id-attr:ID", "Response", "--id-attr:ID", "Assertion"])
        // Neither side takes a key, or a fault, from the certificates in KeyInfo: they are not signed.
        .args(["--enabled-key-data", "key-name"])
        .args(options)
        .arg("--pubkey-cert-der")
        .args([certificate, &file])
        .output()
        .expect("xmlsec1 runs")
}

/// The octets that were digested for the first signature, as xmlsec1 prints them.
fn digested(printed: &[u8]) -> Option<&[u8]> {
    let place = |text: &[u8], from: usize| {
        let rest = printed.get(from..)?;
        rest.windows(text.len()).position(|window| window == text).map(|at| from + at)
    };
    let head = b"== PreDigest data - start buffer:\n";
    let start = place(head, 0)? + head.len();
    let end = place(b"\n== PreDigest data - end buffer", start)?;
    printed.get(start..end)
}

/// Whether all that is read stands in these octets.
fn stands_in(assertion: &VerifiedAssertion, octets: &[u8]) -> bool {
    let text = String::from_utf8_lossy(octets);
    let values = assertion.attributes().iter().flat_map(Attribute::values);
    let named = assertion.name_id().map(|name_id| name_id.value.as_str());
    let others = [assertion.id(), assertion.issuer(), assertion.in_response_to()];
    values.chain(named).all(|value| text.contains(&escape(value)))
        && others.iter().all(|value| text.contains(value))
}

/// What came of all cases.
#[derive(Default)]
struct Tally {
    both: usize,
    neither: usize,
    /// Verified by xmlsec1 and refused by us, by our reason.
    ours_alone_refuses: BTreeMap<&'static str, usize>,
    /// Changes that both accepted.
    harmless: BTreeMap<&'static str, usize>,
    faults: Vec<String>,
}

impl Tally {
    fn add(&mut self, case: &Case) {
        let signers = Signers::get();
        let (_, trusted, _) = signers.all.get(case.key).expect("a key");
        let ours = World::get().verify_trusting(trusted, case.message.as_bytes());
        let theirs = match &ours {
            Ok(_) => xmlsec1(case, &["--store-references", "--print-debug"]),
            Err(_) => xmlsec1(case, &[]),
        };
        match (ours, theirs.status.success()) {
            (Ok(assertion), true) => {
                self.both += 1;
                for change in &case.changes {
                    *self.harmless.entry(change).or_default() += 1;
                }
                self.compare(case, &assertion, &theirs);
            }
            (Err(_), false) => self.neither += 1,
            (Err(refusal), true) => {
                *self.ours_alone_refuses.entry(refusal.reason().code()).or_default() += 1;
                if refusal.reason() == saml::Reason::SecondOpinionDisagrees {
                    self.faults.push(format!("samael disagrees: {} {:?}", case.number, case.changes));
                }
            }
            (Ok(_), false) => {
                let said = String::from_utf8_lossy(&theirs.stderr);
                self.faults.push(format!("XMLSEC1 REFUSES {} {:?}: {said}", case.number, case.changes));
            }
        }
    }

    /// Of what both accept: the same octets, and a second signature that is right as well.
    fn compare(&mut self, case: &Case, assertion: &VerifiedAssertion, theirs: &Output) {
        let name = || format!("{} {:?}", case.number, case.changes);
        match digested(&theirs.stdout) {
            None => self.faults.push(format!("no digested octets: {}", name())),
            Some(octets) if octets != assertion.signed_octets() => {
                self.faults.push(format!("OTHER OCTETS: {}", name()));
            }
            Some(octets) if !stands_in(assertion, octets) => {
                self.faults.push(format!("A VALUE FROM ELSEWHERE: {}", name()));
            }
            Some(_) => {}
        }
        if case.message.matches("SignatureValue>").count() > 2 {
            let second = ["--node-xpath", "(//*[local-name()='Signature'])[2]"];
            if !xmlsec1(case, &second).status.success() {
                self.faults.push(format!("THE SECOND SIGNATURE: {}", name()));
            }
        }
    }

    fn plus(mut self, other: Self) -> Self {
        self.both += other.both;
        self.neither += other.neither;
        for (reason, count) in other.ours_alone_refuses {
            *self.ours_alone_refuses.entry(reason).or_default() += count;
        }
        for (change, count) in other.harmless {
            *self.harmless.entry(change).or_default() += count;
        }
        self.faults.extend(other.faults);
        self
    }
}

fn tally(cases: u64) -> Tally {
    let threads = 2;
    let parts: Vec<_> = (0..threads)
        .map(|part| {
            std::thread::spawn(move || {
                let mut tally = Tally::default();
                for number in (part..cases).step_by(2) {
                    let case = Case::of(number);
                    tally.add(&case);
                    let file = Signers::get().directory.path().join(format!("{number}.xml"));
                    std::fs::remove_file(file).expect("it was written");
                }
                tally
            })
        })
        .collect();
    let done = parts.into_iter().map(|part| part.join().expect("nobody panics"));
    done.fold(Tally::default(), Tally::plus)
}

#[test]
#[ignore = "needs xmlsec1, which scripts/test installs"]
fn nothing_is_accepted_that_xmlsec1_refuses() {
    let wanted = std::env::var("DIFFERENTIAL_CASES").ok().and_then(|text| text.parse().ok());
    let cases: u64 = wanted.unwrap_or(CASES);
    let tally = tally(cases);
    let alone: usize = tally.ours_alone_refuses.values().sum();
    eprintln!(
        "{cases} messages: {} accepted by both, {} by neither, {alone} by xmlsec1 alone, {} faults",
        tally.both,
        tally.neither,
        tally.faults.len()
    );
    eprintln!("refused by us alone: {:?}", tally.ours_alone_refuses);
    eprintln!("changes that are none: {:?}", tally.harmless);
    assert!(tally.faults.is_empty(), "\n{}", tally.faults.join("\n"));
    assert!(tally.both > usize::try_from(cases).expect("a count") / 10, "too few are accepted at all");
}

/// The files are there, so that a run that compares nothing is noticed.
#[test]
fn what_xmlsec1_prints_is_read() {
    let printed = b"x\n== PreDigest data - start buffer:\n<a>\n</a>\n== PreDigest data - end buffer\n";
    assert_eq!(digested(printed), Some(&b"<a>\n</a>"[..]));
    assert_eq!(digested(b""), None);
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/differential").exists());
}
