//! The identity header, verified by PyJWT through the published keys, as an application would.
//!
//! Separate because it needs Python; `scripts/test` installs PyJWT into an environment of its own.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::app::{MIA, TestApp, Wanted};

/// What an application is configured with.
#[derive(Clone, Copy)]
struct Verifier<'a> {
    app: &'a TestApp,
    algorithm: &'a str,
    issuer: &'a str,
    audience: &'a str,
}

impl Verifier<'_> {
    /// The claims, or why PyJWT does not accept the token.
    async fn verify(&self, token: &str) -> Result<serde_json::Value, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
        let python = target.join("pyjwt/bin/python");
        assert!(python.exists(), "{} is missing: scripts/test makes it", python.display());
        let address = self.app.net.address(&self.app.app_url).expect("it is led somewhere");
        let mut command = Command::new(python);
        command.arg(root.join("tests/peers/verify_identity.py"));
        command.arg(format!("http://{address}/.well-known/anteroom/jwks.json"));
        command.args(["app.localhost", self.algorithm, self.issuer, self.audience]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let token = token.to_owned();
        let run = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().expect("Python starts");
            let mut stdin = child.stdin.take().expect("it is piped");
            stdin.write_all(token.as_bytes()).expect("it listens");
            drop(stdin);
            child.wait_with_output().expect("it ends")
        });
        let output = run.await.expect("it is waited for");
        let printed = String::from_utf8(output.stdout).expect("it prints text");
        if output.status.success() {
            Ok(serde_json::from_str(&printed).expect("it prints JSON"))
        } else {
            Err(printed)
        }
    }

    /// The name of PyJWT's error.
    async fn refusal(&self, token: &str) -> String {
        let printed = self.verify(token).await.expect_err("PyJWT must refuse it");
        printed.split(':').next().unwrap_or_default().to_owned()
    }
}

/// The token that the application received.
async fn token(app: &TestApp) -> String {
    app.member(MIA).await;
    app.application.last().header("x-anteroom-jwt-assertion").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PyJWT, which scripts/test installs"]
async fn an_application_verifies_the_header_with_pyjwt() {
    for algorithm in ["ES256", "RS256", "EdDSA"] {
        let more = format!("[identity]\nalgorithm = \"{algorithm}\"\naudience = \"servusconnect\"\n");
        let app = Wanted::default().more(&more).start().await;
        let token = token(&app).await;
        let verifier =
            Verifier { app: &app, algorithm, issuer: "http://app.localhost", audience: "servusconnect" };
        let claims = verifier.verify(&token).await.expect("the token is good");
        assert_eq!((&claims["email"], &claims["org"]), (&MIA.into(), &"contoso".into()));
        assert!(claims["exp"].as_i64() <= claims["iat"].as_i64().map(|at| at + 300), "{claims}");

        let foreign = Verifier { audience: "another", ..verifier };
        assert_eq!(foreign.refusal(&token).await, "InvalidAudienceError");
        let foreign = Verifier { issuer: "http://evil.example", ..verifier };
        assert_eq!(foreign.refusal(&token).await, "InvalidIssuerError");
        let (signed, signature) = token.rsplit_once('.').expect("a compact JWS");
        let flipped = if signature.starts_with('A') { "B" } else { "A" };
        let forged = format!("{signed}.{flipped}{}", &signature[1..]);
        assert_eq!(verifier.refusal(&forged).await, "InvalidSignatureError");
    }
}
