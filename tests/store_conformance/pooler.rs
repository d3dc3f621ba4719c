//! PostgreSQL behind PgBouncer in session mode, which refuses what it does not know in the first packet of a
//! connection.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use reelmill::store::postgres::{ClockSource, PostgresStore};

use super::*;

/// A PgBouncer with its own settings, which ends with the test.
struct Pooler {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Pooler {
    /// One before the server at `port`; nothing where it is not installed, which is said.
    fn start(port: &str) -> Option<Self> {
        let program =
            ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].into_iter().find(|path| PathBuf::from(path).exists());
        let Some(program) = program else {
            #[expect(clippy::print_stderr, reason = "who runs the tests should know what was not tested")]
            {
                eprintln!("skipped: no pgbouncer; `infra/setup.sh test` installs it");
            }
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let own = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let users = folder.path().join("users");
        std::fs::write(&users, "\"reelmill\" \"\"\n").unwrap();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {own}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = session\ndefault_pool_size = 50\n",
            users.display()
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        // It does not run as root, and says on standard error that it is up.
        let script = "if [ \"$(id -u)\" -eq 0 ]; then chown -R postgres \"$2\"; \
                      exec setpriv --reuid=postgres --regid=postgres --init-groups \"$0\" \"$1\"; fi; exec \"$0\" \"$1\"";
        let mut child = Command::new("sh")
            .args(["-c", script, program])
            .arg(&file)
            .arg(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let up = lines.find(|line| line.contains("process up"));
        assert!(up.is_some(), "pgbouncer did not start");
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { child, port: own, _folder: folder })
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn field_fault_postgresql_is_used_through_pgbouncer_in_session_mode() {
    let direct = postgres::alone().await;
    let (server, database) = direct.rsplit_once('/').unwrap();
    let Some(pooler) = Pooler::start(server.rsplit_once(':').unwrap().1) else { return };
    let url = format!("postgres://reelmill@127.0.0.1:{}/{database}", pooler.port);
    let open = async || PostgresStore::connect(&url, ClockSource::Database, Arc::new(Conditions)).await.unwrap();
    let world = World::new(Arc::new(open().await));
    let other = open().await;
    let mut hints = reelmill::store::Store::hints(&other);
    let id = world.start(&chain()).await;
    let hint =
        tokio::time::timeout(Duration::from_secs(30), async { while hints.recv().await.unwrap() != Hint::Queue {} });
    hint.await.expect("LISTEN works through it");
    for _ in 0..2 {
        let claim = world.claim_one().await;
        world.succeed(&claim).await.unwrap();
    }
    assert_eq!(world.words(id).await, "succeeded succeeded succeeded");
    let seen = reelmill::store::postgres::look(&url).await.unwrap();
    assert_eq!(seen.schema, Some(seen.known));
}
