//! Lines as programs and people read them.

use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;

/// Keeps what is written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(format: Format, write: impl FnOnce(&mut Line<'_>)) -> String {
    let kept = Kept::default();
    let log = AccessLog::to(kept.clone(), format).unwrap();
    let clock = ManualClock::at("2026-02-03T04:05:06.007Z".parse().unwrap());
    log.core(Arc::new(clock)).unwrap().write(write);
    assert!(log.flush(Duration::from_secs(20)));
    String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
}

fn everything(line: &mut Line<'_>) {
    line.text(name!("path"), "/a \"b\" \\");
    line.text_if(name!("code"), None::<&str>);
    line.word(name!("decision"), "forwarded");
    line.text_if(name!("user"), Some("u_1"));
    line.pair(name!("rule"), "paths", "/\n");
    line.number(name!("status"), 200);
    line.number(name!("bytes"), 0);
    line.number(name!("most"), u64::MAX);
    line.micros(name!("total_us"), Duration::from_millis(3));
    line.address(name!("client"), "203.0.113.9".parse().unwrap());
    line.address(name!("other"), "2001:db8::1".parse().unwrap());
}

#[test]
fn a_line_is_one_json_object_or_one_line_of_text() {
    assert_eq!(
        written(Format::Json, everything),
        "{\"timestamp\":\"2026-02-03T04:05:06.007000Z\",\"level\":\"INFO\",\"target\":\"access\",\
         \"path\":\"/a \\\"b\\\" \\\\\",\"decision\":\"forwarded\",\"user\":\"u_1\",\"rule\":\"paths /\\u000a\",\"status\":200,\"bytes\":0,\
         \"most\":18446744073709551615,\"total_us\":3000,\"client\":\"203.0.113.9\",\"other\":\"2001:db8::1\"}\n"
    );
    assert_eq!(
        written(Format::Text, everything),
        "2026-02-03T04:05:06.007000Z  INFO access: path=\"/a \\\"b\\\" \\\\\" decision=\"forwarded\" user=\"u_1\" rule=\"paths /\\u000a\" status=200 bytes=0 \
         most=18446744073709551615 total_us=3000 client=\"203.0.113.9\" other=\"2001:db8::1\"\n"
    );
}

#[test]
fn nothing_is_written_where_there_is_no_log() {
    let off = AccessLog::default();
    assert!(off.core(Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH))).is_none());
    assert!(off.flush(Duration::ZERO));
    assert_eq!(off.lines_lost(), 0);
}

proptest! {
    /// T-G10: whatever somebody sends, it comes out as it was, in one line without control characters.
    #[test]
    fn any_text_is_escaped_and_can_be_read_back(text in "\\PC*|[\\x00-\\xa0\\u{2028}\\u{202e}\\u{2066}\"\\\\é]*") {
        let mut out = b"\"".to_vec();
        push_escaped(&mut out, text.as_bytes());
        out.push(b'"');
        let out = String::from_utf8(out).unwrap();
        prop_assert!(!out.chars().any(is_unsafe), "{out:?}");
        prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
    }

    /// What is no text comes out as what can be read of it.
    #[test]
    fn any_octets_are_written_as_text(octets: Vec<u8>) {
        let mut out = b"\"".to_vec();
        push_escaped(&mut out, &octets);
        out.push(b'"');
        let out = String::from_utf8(out).unwrap();
        prop_assert!(!out.chars().any(is_unsafe), "{out:?}");
        prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), String::from_utf8_lossy(&octets));
    }

    /// Times are written as others write them.
    #[test]
    fn times_are_written_as_everywhere(micros in 0_i64..253_402_207_200_000_000) {
        let at = Timestamp::from_microsecond(micros).unwrap();
        let mut out = Vec::new();
        push_timestamp(&mut out, at);
        prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{at:.6}"));
    }
}
