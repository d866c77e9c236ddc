//! Keys in a real store, under a clock that is moved by hand.

use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::secret::ClusterSecret;
use crate::store::Settings;

const HOUR: Duration = Duration::from_hours(1);

struct Cluster {
    store: Arc<dyn Store>,
    clock: ManualClock,
}

impl Cluster {
    async fn new() -> Self {
        let clock = ManualClock::at(Timestamp::from_second(1_790_000_000).unwrap());
        Self { store: store::open(&Settings::Memory).await.unwrap(), clock }
    }

    /// Starts a node.
    async fn node(&self, algorithm: Algorithm) -> Keys {
        self.start(algorithm, [7; 32]).await.unwrap()
    }

    async fn start(&self, algorithm: Algorithm, secret: [u8; 32]) -> Result<Keys, Error> {
        let seal = ClusterSecret::new(secret).seal_key(SEAL_PURPOSE);
        Keys::load(Arc::clone(&self.store), seal, Arc::new(self.clock.clone()), algorithm).await
    }

    fn later(&self, hours: u32) {
        self.clock.advance(HOUR * hours);
    }

    fn signing(&self, keys: &Keys) -> String {
        keys.ring().signing_key(self.clock.now()).kid().to_owned()
    }

    async fn actions(&self) -> Vec<String> {
        let entries = self.store.audit_entries(100).await.unwrap();
        entries.into_iter().rev().map(|entry| format!("{} by {}", entry.action, entry.actor)).collect()
    }
}

fn published(keys: &Keys) -> Vec<String> {
    keys.ring().published().keys.iter().map(|key| key.kid().to_owned()).collect()
}

#[tokio::test]
async fn the_first_start_makes_a_key_and_the_second_reads_it() {
    let cluster = Cluster::new().await;
    let first = cluster.node(Algorithm::ES256).await;
    let second = cluster.node(Algorithm::ES256).await;
    assert_eq!(published(&first).len(), 1);
    assert_eq!(published(&first), published(&second));
    assert_eq!(cluster.signing(&first), cluster.signing(&second));
    assert_eq!(cluster.actions().await, ["keys.first_made by anteroom"]);
}

#[tokio::test]
async fn nodes_that_start_together_agree_on_one_key() {
    let cluster = Cluster::new().await;
    let (a, b, c) = tokio::join!(
        cluster.node(Algorithm::ES256),
        cluster.node(Algorithm::ES256),
        cluster.node(Algorithm::ES256)
    );
    assert_eq!(published(&a).len(), 1);
    assert_eq!(published(&a), published(&b));
    assert_eq!(published(&a), published(&c));
}

#[tokio::test]
async fn a_rotation_is_published_at_once_and_signs_a_day_later_on_every_node() {
    let cluster = Cluster::new().await;
    let (keys, other) = (cluster.node(Algorithm::ES256).await, cluster.node(Algorithm::ES256).await);
    let old = cluster.signing(&keys);
    let before = cluster.store.change_head().await.unwrap();

    let Rotation::Published { kid: new } = keys.rotate("command").await.unwrap() else {
        panic!("there was no next key yet");
    };
    assert_eq!(published(&keys), [old.clone(), new.clone()]);
    let (_, changes) = cluster.store.changes_after(before).await.unwrap();
    assert_eq!(changes, [store::Change::Keys]);
    assert_eq!(published(&other), std::slice::from_ref(&old));
    other.reload().await.unwrap();
    assert_eq!(published(&other), published(&keys));

    assert_eq!(keys.rotate("command").await.unwrap(), Rotation::AlreadyPublished { kid: new.clone() });
    cluster.later(23);
    assert_eq!((cluster.signing(&keys), cluster.signing(&other)), (old.clone(), old.clone()));
    cluster.later(1);
    assert_eq!((cluster.signing(&keys), cluster.signing(&other)), (new.clone(), new.clone()));
    cluster.later(7 * 24 - 1);
    keys.upkeep().await.unwrap();
    assert_eq!(published(&keys), [old, new.clone()]);
    cluster.later(1);
    keys.upkeep().await.unwrap();
    assert_eq!(published(&keys), [new]);
    let told = ["keys.first_made by anteroom", "keys.rotated by command", "keys.forgotten by anteroom"];
    assert_eq!(cluster.actions().await, told);
}

#[tokio::test]
async fn in_a_year_keys_change_by_themselves_and_every_key_was_published_before_it_signed() {
    let cluster = Cluster::new().await;
    let keys = cluster.node(Algorithm::ES256).await;
    let mut signers = vec![cluster.signing(&keys)];
    let mut known_since = vec![(cluster.signing(&keys), 0)];
    for hour in 1..=365 * 24 {
        cluster.later(1);
        keys.upkeep().await.unwrap();
        for kid in published(&keys) {
            if !known_since.iter().any(|(known, _)| *known == kid) {
                known_since.push((kid, hour));
            }
        }
        let signer = cluster.signing(&keys);
        if signers.last() != Some(&signer) {
            let since = known_since.iter().find(|(kid, _)| *kid == signer).unwrap().1;
            assert_eq!(hour - since, 24);
            signers.push(signer);
        }
        assert!(published(&keys).len() <= 2);
    }
    assert_eq!(signers.len(), 9, "8 rotations in 365 days");
}

#[tokio::test]
async fn another_algorithm_signs_from_the_next_start_and_tokens_of_the_old_still_verify() {
    let cluster = Cluster::new().await;
    let before = cluster.node(Algorithm::ES256).await;
    let old = cluster.signing(&before);
    before.rotate("command").await.unwrap();
    let after = cluster.node(Algorithm::EdDSA).await;
    assert_eq!(after.ring().signing_key(cluster.clock.now()).algorithm(), Algorithm::EdDSA);
    assert_eq!(published(&after), [old.clone(), cluster.signing(&after)]);
    cluster.later(7 * 24);
    after.upkeep().await.unwrap();
    assert_eq!(published(&after), [cluster.signing(&after)]);
}

#[tokio::test]
async fn keys_of_another_secret_stop_the_start_and_are_not_touched() {
    let cluster = Cluster::new().await;
    let keys = cluster.node(Algorithm::ES256).await;
    let before = cluster.store.keys().await.unwrap();
    for algorithm in Algorithm::ALL {
        let error = cluster.start(algorithm, [8; 32]).await.unwrap_err();
        assert!(matches!(&error, Error::Unsealable { kid } if *kid == cluster.signing(&keys)), "{error}");
    }
    assert_eq!(cluster.store.keys().await.unwrap(), before);
}

#[tokio::test]
async fn a_key_that_is_not_what_its_row_says_is_refused() {
    let cluster = Cluster::new().await;
    let keys = cluster.node(Algorithm::ES256).await;
    let genuine = cluster.store.keys().await.unwrap().remove(0);
    let event = || event(Step::Forget, None, "test", cluster.clock.now());
    for (kid, algorithm) in
        [("another", "ES256"), (genuine.kid.as_str(), "EdDSA"), (genuine.kid.as_str(), "HS256")]
    {
        let wrong = StoredKey { kid: kid.to_owned(), algorithm: algorithm.to_owned(), ..genuine.clone() };
        assert!(
            cluster.store.replace_keys(std::slice::from_ref(&genuine.kid), &[wrong], event()).await.unwrap()
        );
        let error = keys.reload().await.unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        // What is in memory goes on signing.
        assert_eq!(cluster.signing(&keys), genuine.kid);
        assert!(
            cluster
                .store
                .replace_keys(&[kid.to_owned()], std::slice::from_ref(&genuine), event())
                .await
                .unwrap()
        );
    }
    keys.reload().await.unwrap();
}

#[tokio::test]
async fn a_store_without_its_keys_is_not_believed_by_a_running_server() {
    let cluster = Cluster::new().await;
    let keys = cluster.node(Algorithm::ES256).await;
    let kid = cluster.signing(&keys);
    let event = event(Step::Forget, None, "test", cluster.clock.now());
    assert!(cluster.store.replace_keys(std::slice::from_ref(&kid), &[], event).await.unwrap());
    assert!(matches!(keys.reload().await, Err(Error::Lost)));
    assert_eq!(cluster.signing(&keys), kid);
}
