//! A new configuration for a running Anteroom, as people and the application see it.
//!
//! Separate from what the audit log tells of it.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use crate::app::Wanted;
use crate::upstream::{PATIENCE, Upstream, read_body, read_head};

/// A connection that is kept, and thereby the core that it belongs to.
struct Kept(BufReader<TcpStream>);

impl Kept {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        Self(BufReader::new(stream))
    }

    fn ask(&mut self) -> String {
        let request = "GET /assets/x HTTP/1.1\r\nHost: app.localhost\r\n\r\n";
        self.0.get_mut().write_all(request.as_bytes()).expect("it is sent");
        let head = read_head(&mut self.0).expect("the connection goes on").expect("an answer");
        read_body(&mut self.0, &head).expect("a whole answer");
        head.word(1).to_owned()
    }
}

/// what was connected under old settings (and checked against old authorities) carries nothing under new ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_of_old_settings_is_not_used_under_new_ones() {
    let upstream = Upstream::polite();
    let app = Wanted::default().upstream(&upstream.url()).start().await;
    let mut client = Kept::connect(app.public_address());
    let mut ask_twice = || (0..2).for_each(|_| assert_eq!(client.ask(), "200"));
    ask_twice();
    let text = std::fs::read_to_string(app.config_path()).expect("the file is there");
    let text = text.replacen("[app]\n", "[app]\nupstream_idle_timeout = \"4m\"\n", 1);
    std::fs::write(app.config_path(), text).expect("the file is writable");
    app.reload().await.expect("the new configuration is good");
    ask_twice();
    let used: Vec<usize> = upstream.requests().iter().map(|request| request.connection).collect();
    assert_eq!(used, [0, 0, 1, 1]);
    upstream.wait_for_open(1);
}
