//! A PostgreSQL server for a test process, and databases in it that know nothing of each other.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use reelmill::model::{Clock, Ids, RandomIds, SystemClock};
use sqlx::{Connection, PgConnection};

/// The server that `REELMILL_POSTGRES` names, or one that lives as long as this process.
fn server() -> &'static str {
    static SERVER: OnceLock<(String, Option<Mutex<Child>>)> = OnceLock::new();
    let (url, _until_closed) = SERVER.get_or_init(|| {
        if let Ok(url) = std::env::var("REELMILL_POSTGRES") {
            return (url, None);
        }
        let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/infra/postgres.sh"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell runs");
        let mut line = String::new();
        BufReader::new(script.stdout.take().expect("it is piped")).read_line(&mut line).expect("it speaks");
        let url = line.split(' ').next().expect("the URL comes first").to_owned();
        (url, Some(Mutex::new(script)))
    });
    url
}

/// The URL of an empty schema of its own.
pub async fn empty() -> String {
    let schema = format!("test_{}", RandomIds.next(SystemClock.now()).simple());
    let mut admin = PgConnection::connect(server()).await.expect("the server answers");
    let sql = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
    sqlx::raw_sql(sql).execute(&mut admin).await.expect("a schema can be made");
    format!("{}?options=-c%20search_path%3D{schema}", server())
}

/// The URL of an empty database of its own, without parameters.
#[allow(dead_code, reason = "not every test that has this module asks for one")]
pub async fn alone() -> String {
    let name = format!("test_{}", RandomIds.next(SystemClock.now()).simple());
    let mut admin = PgConnection::connect(server()).await.expect("the server answers");
    let sql = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(sql).execute(&mut admin).await.expect("a database can be made");
    let (server, _) = server().rsplit_once('/').expect("the URL names a database");
    format!("{server}/{name}")
}
