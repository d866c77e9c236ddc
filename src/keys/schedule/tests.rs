//! The life of a key, hour by hour.

use super::*;

fn hour(hour: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + hour * 3600).unwrap()
}

fn key(kid: &str, signs_from: i64, retires_at: Option<i64>) -> StoredKey {
    StoredKey {
        kid: kid.to_owned(),
        algorithm: "ES256".to_owned(),
        sealed: Vec::new(),
        created_at: hour(0),
        signs_from: hour(signs_from),
        retires_at: retires_at.map(hour),
    }
}

/// Takes a step at an hour, making a key of that name if it makes one.
fn take(step: Step, keys: &[StoredKey], kid: &str, at: i64) -> Vec<StoredKey> {
    let signs_from = signs_from(step, hour(at));
    let new = StoredKey { signs_from, ..key(kid, at, None) };
    after(step, keys, (step != Step::Forget).then_some(new), hour(at))
}

const DAY: i64 = 24;

#[test]
fn the_first_key_signs_at_once() {
    assert_eq!(at_start(&[], Algorithm::ES256, hour(0)), Some(Step::First));
    assert_eq!(take(Step::First, &[], "a", 0), [key("a", 0, None)]);
    assert_eq!(at_start(&[key("a", 0, None)], Algorithm::ES256, hour(1)), None);
}

#[test]
fn the_next_key_signs_a_day_later_and_the_old_one_stays_a_week_after_that() {
    let keys = take(Step::Succeed, &[key("a", 0, None)], "b", 100);
    assert_eq!(keys, [key("a", 0, Some(100 + DAY + 7 * DAY)), key("b", 100 + DAY, None)]);
}

#[test]
fn rotation_by_itself_makes_a_new_key_sign_every_42_days() {
    let keys = [key("a", 0, None)];
    assert_eq!(upkeep(&keys, hour(41 * DAY - 1)), None);
    assert_eq!(upkeep(&keys, hour(41 * DAY)), Some(Step::Succeed));
    let keys = take(Step::Succeed, &keys, "b", 41 * DAY);
    assert_eq!(keys[1], key("b", 42 * DAY, None));
    assert_eq!(upkeep(&keys, hour(41 * DAY)), None);
}

#[test]
fn a_retired_key_is_forgotten_and_not_a_moment_sooner() {
    let keys = [key("a", 0, Some(8 * DAY)), key("b", DAY, None)];
    assert_eq!(upkeep(&keys, hour(8 * DAY - 1)), None);
    assert_eq!(upkeep(&keys, hour(8 * DAY)), Some(Step::Forget));
    assert_eq!(take(Step::Forget, &keys, "", 8 * DAY), [key("b", DAY, None)]);
}

#[test]
fn a_key_never_retires_before_its_successor_signs() {
    // Nobody looked after the keys for a year: the old one signs on until the next has been announced.
    let year = 365 * DAY;
    let keys = [key("a", 0, None)];
    assert_eq!(upkeep(&keys, hour(year)), Some(Step::Succeed));
    let keys = take(Step::Succeed, &keys, "b", year);
    for at in [year, year + DAY - 1, year + DAY, year + 2 * DAY] {
        let signing = signing(&keys, hour(at)).unwrap();
        assert_eq!(signing.kid, if at < year + DAY { "a" } else { "b" });
        assert!(!is_retired(signing, hour(at)));
    }
}

#[test]
fn the_command_makes_one_next_key_at_a_time() {
    assert_eq!(on_command(&[], hour(0)), Some(Step::First));
    let keys = [key("a", 0, None)];
    assert_eq!(on_command(&keys, hour(1)), Some(Step::Succeed));
    let keys = take(Step::Succeed, &keys, "b", 1);
    assert_eq!(on_command(&keys, hour(DAY)), None);
    assert_eq!(on_command(&keys, hour(DAY + 1)), Some(Step::Succeed));
}

#[test]
fn a_change_of_the_algorithm_signs_at_once_and_drops_what_never_signed() {
    let keys = [key("a", 0, Some(10 + 8 * DAY)), key("b", 10 + DAY, None)];
    assert_eq!(at_start(&keys, Algorithm::RS256, hour(12)), Some(Step::Supersede));
    let keys = take(Step::Supersede, &keys, "c", 12);
    assert_eq!(keys, [key("a", 0, Some(12 + 7 * DAY)), key("c", 12, None)]);
}

#[test]
fn a_list_says_where_each_key_stands() {
    let keys = [key("c", 3 * DAY, None), key("a", 0, Some(8 * DAY)), key("b", DAY, Some(10 * DAY))];
    let listed: Vec<_> =
        listed(&keys, hour(2 * DAY)).into_iter().map(|key| (key.kid, key.state.as_str())).collect();
    assert_eq!(listed, [("a".to_owned(), "retiring"), ("b".to_owned(), "signing"), ("c".to_owned(), "next")]);
}
