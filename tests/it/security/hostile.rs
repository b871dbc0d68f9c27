use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use anyhow::Result;
use tests::Cluster;
use tokio::{io::AsyncWriteExt as _, net::TcpStream as Socket, task::JoinSet, time::timeout};

/// Longest time that an attack goes on.
const ATTACK: Duration = Duration::from_secs(6);

/// What HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Honest workers of leases of three seconds give a sign of life twice a second.
const STUDY: &str = "
name: calm
model: formula
space: {width: {int: [1, 999]}}
scheduler: {kind: hyperband, max_epochs: 3, eta: 3}
train: {epoch_seconds: 0.2}
";

/// Lets an attack run for a while; in that time no honest worker's sign of life is late, and a newcomer is let in.
async fn endures(attack: impl Future<Output = ()>) -> Result<()> {
    let cluster = Cluster::with_lease(2, 3).await?;
    while cluster.connected().await?.len() != 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cluster.submit(STUDY).await?;
    cluster.until("calm", 30, |study| study.epochs >= 1).await?;
    let watch = async {
        let (started, mut slowest, mut looks) = (Instant::now(), 0, 0);
        while started.elapsed() < ATTACK {
            // A connection of its own each time: newcomers are let in too.
            let asked = Instant::now();
            // One that comes with a burst from its own address may be taken for part of it, and comes again.
            let workers = loop {
                match cluster.connected().await {
                    Err(_) if asked.elapsed() < Duration::from_secs(2) => tokio::task::yield_now().await,
                    answer => break answer?,
                }
            };
            assert!(asked.elapsed() < Duration::from_secs(5), "an answer took {:?}", asked.elapsed());
            assert_eq!(workers.len(), 2);
            slowest = workers.iter().map(|worker| worker.silent_ms).max().unwrap_or(0).max(slowest);
            looks += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(looks > 5, "{looks}");
        assert!(slowest < 1000, "a worker was silent for {slowest} ms");
        anyhow::Ok(())
    };
    ADDRESS
        .scope(cluster.address().to_owned(), async {
            tokio::select! {
                watched = watch => watched,
                () = async { attack.await; std::future::pending::<()>().await } => Ok(()),
            }
        })
        .await?;
    cluster.table("calm").await?;
    let attempts: u32 = cluster.trials("calm").await?.iter().map(|trial| trial.attempts).sum();
    assert_eq!(attempts, 7, "nobody lost a lease");
    Ok(())
}

tokio::task_local! {
    static ADDRESS: String;
}

fn address() -> String {
    ADDRESS.with(Clone::clone)
}

/// Three hundred connections that send a byte now and then: in plain, in TLS, and nothing at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn slowloris() -> Result<()> {
    endures(async {
        let mut peers = JoinSet::new();
        for number in 0..300 {
            let address = address();
            peers.spawn(async move {
                let begins: &[u8] = match number % 3 {
                    0 => PREFACE,
                    1 => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                    _ => b"",
                };
                let Ok(mut socket) = Socket::connect(address).await else { return };
                for byte in begins {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    if socket.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                }
                tokio::time::sleep(ATTACK).await;
            });
        }
        peers.join_all().await;
    })
    .await
}

/// Calls that are opened and reset at once, as fast as they go.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn rapid_reset() -> Result<()> {
    endures(async {
        let mut peers = JoinSet::new();
        for _ in 0..4 {
            let address = address();
            peers.spawn(async move {
                let started = Instant::now();
                while started.elapsed() < ATTACK {
                    let _ = timeout(ATTACK, resets(&address)).await;
                    // What is measured is the coordinator, not who has this machine's cores.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
        }
        peers.join_all().await;
    })
    .await
}

async fn resets(address: &str) -> Result<()> {
    let (mut client, connection) = h2::client::handshake(Socket::connect(address).await?).await?;
    let driving = tokio::spawn(connection);
    for _ in 0..1_000 {
        let request =
            tonic::codegen::http::Request::post("http://rung/rung.v1.StudyService/ListStudies").body(())?;
        let Ok((answer, mut body)) = client.send_request(request, false) else { break };
        body.send_reset(h2::Reason::CANCEL);
        drop(answer);
        client = client.ready().await?;
    }
    driving.abort();
    Ok(())
}

/// Headers without end, and messages that say they are huge.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn header_and_message_bombs() -> Result<()> {
    endures(async {
        let mut peers = JoinSet::new();
        for number in 0..4 {
            let address = address();
            peers.spawn(async move {
                let started = Instant::now();
                while started.elapsed() < ATTACK {
                    let _ = timeout(ATTACK, async {
                        if number % 2 == 0 { headers(&address).await } else { message(&address).await }
                    })
                    .await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
        peers.join_all().await;
    })
    .await
}

/// HEADERS and CONTINUATION frames for as long as the peer takes them.
async fn headers(address: &str) -> Result<()> {
    let mut socket = Socket::connect(address).await?;
    socket.write_all(PREFACE).await?;
    socket.write_all(&frame(4, 0, 0, &[])).await?;
    socket.write_all(&frame(1, 0, 1, &[0; 0])).await?;
    // A literal header that is not indexed: `a: xxx…`.
    let mut field = vec![0, 1, b'a', 0x7f, 0x80, 0x7f];
    field.resize(16_000, b'x');
    for _ in 0..1000 {
        socket.write_all(&frame(9, 0, 1, &field)).await?;
    }
    Ok(())
}

/// A call whose message says that it has four gigabytes, and begins to send them.
async fn message(address: &str) -> Result<()> {
    let (mut client, connection) = h2::client::handshake(Socket::connect(address).await?).await?;
    let driving = tokio::spawn(connection);
    let request = tonic::codegen::http::Request::post("http://rung/rung.v1.StudyService/SubmitStudy")
        .header("content-type", "application/grpc")
        .body(())?;
    let (answer, mut body) = client.send_request(request, false)?;
    client = client.ready().await?;
    body.send_data(vec![0, 0xff, 0xff, 0xff, 0xff].into(), false)?;
    for _ in 0..64 {
        body.reserve_capacity(1 << 16);
        if body.send_data(vec![0; 1 << 16].into(), false).is_err() {
            break;
        }
    }
    let _ = answer.await;
    driving.abort();
    drop(client);
    Ok(())
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A connection that proves nothing does not stay.
#[tokio::test]
async fn a_connection_without_proof_is_closed_in_time() -> Result<()> {
    let cluster = Cluster::start(0).await?;
    let address = cluster.address().to_owned();
    let closed = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        socket.write_all(PREFACE)?;
        let mut end = Vec::new();
        // An error is an end too.
        let _ = socket.read_to_end(&mut end);
        anyhow::Ok(started.elapsed())
    });
    let closed = closed.await??;
    assert!(closed < Duration::from_secs(15), "{closed:?}");
    Ok(())
}
