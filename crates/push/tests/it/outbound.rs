//! Requests outside: the guard and the limits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use push::outbound::{Client, MAX_BODY, Protocol, Reach, RequestError, Settings};
use push_sink::{Options, Sink};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};

use crate::world::settings;

/// Serves a response of HTTP/1.1 to every connection.
async fn serve(response: Vec<u8>) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let response = response.clone();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(&response).await;
                // The connection stays open, so a reader of the whole body would wait.
                let _ = stream.read(&mut [0; 1024]).await;
            });
        }
    });
    (address, server)
}

fn client(reach: Reach, settings: &Settings) -> Client {
    Client::new(reach, Protocol::Negotiated, settings).unwrap()
}

fn request(uri: &str) -> hyper::Request<bytes::Bytes> {
    hyper::Request::post(uri).body("hello".into()).unwrap()
}

#[tokio::test]
async fn a_long_body_is_read_in_part() {
    let mut response = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".to_vec();
    response.resize(response.len() + MAX_BODY + 5000, b'x');
    let (address, server) = serve(response).await;
    let response = client(Reach::Any, &settings(Duration::from_secs(30))).send(request(&address)).await.unwrap();
    assert_eq!((response.status.as_u16(), response.body.len()), (200, MAX_BODY));
    server.abort();
}

#[tokio::test]
async fn a_body_that_breaks_off_is_returned_as_far_as_it_came() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
    });
    let response = client(Reach::Any, &settings(Duration::from_secs(30))).send(request(&address)).await.unwrap();
    assert_eq!((response.status.as_u16(), &response.body[..]), (201, &b"half"[..]));
    server.await.unwrap();
}

#[tokio::test]
async fn a_redirect_is_a_response() {
    let response = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec();
    let (address, server) = serve(response).await;
    let response = client(Reach::Any, &settings(Duration::from_secs(30))).send(request(&address)).await.unwrap();
    assert_eq!(response.status.as_u16(), 302);
    server.abort();
}

#[tokio::test]
async fn only_public_addresses_are_connected_to() {
    let client = client(Reach::Public, &settings(Duration::from_secs(30)));
    for inside in [
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://192.0.2.1/",
        "https://224.0.0.1/",
        "https://[::1]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://localhost/",
        "https://127.1/",
        "https://0x7f000001/",
        "http://1.1.1.1/",
        "https://user@1.1.1.1/",
        "https://168.63.129.16/",
        "https://1.1.1.1:22/",
    ] {
        let sent = client.send(request(inside)).await;
        assert!(matches!(sent, Err(RequestError::Forbidden(_))), "{inside}: {sent:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_finish_the_handshake_is_given_up() {
    // The listener accepts no connection, so the kernel completes TCP and TLS never begins.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}/", listener.local_addr().unwrap());
    let connect_timeout = Duration::from_millis(300);
    let settings = Settings { connect_timeout, ..settings(Duration::from_secs(30)) };
    let started = Instant::now();
    let sent = client(Reach::Any, &settings).send(request(&address)).await;
    assert!(matches!(sent, Err(RequestError::Broken(_))), "{sent:?}");
    assert!(started.elapsed() >= connect_timeout && started.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_request_connects_when_the_one_that_was_connecting_is_dropped() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = settings(Duration::from_secs(30));
    let client = Client::new(Reach::Any, Protocol::Http2, &settings).unwrap();
    // TLS never begins on the first connection.
    let address = format!("https://{}/", listener.local_addr().unwrap());
    let first = tokio::spawn({
        let (client, request) = (client.clone(), request(&address));
        async move { client.send(request).await }
    });
    let _held = listener.accept().await.unwrap();
    let second = tokio::spawn(async move { client.send(request(&address)).await });
    // The second request waits for the connection of the first one.
    assert!(tokio::time::timeout(Duration::from_millis(200), listener.accept()).await.is_err());
    first.abort();
    tokio::time::timeout(Duration::from_secs(30), listener.accept()).await.unwrap().unwrap();
    assert!(!second.is_finished());
    second.abort();
}

#[tokio::test]
async fn connections_to_all_hosts_are_limited() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let first = format!("http://{}", silent.local_addr().unwrap());
    let (second, server) = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    // Another host for the limits.
    let second = second.replace("127.0.0.1", "localhost");
    for (max_connections, expected) in [(1, Err("too many connections are open")), (2, Ok(200))] {
        let connect_timeout = Duration::from_millis(300);
        let settings = Settings { max_connections, connect_timeout, ..settings(Duration::from_secs(30)) };
        let client = client(Reach::Any, &settings);
        let busy = tokio::spawn({
            let (client, request) = (client.clone(), request(&first));
            async move { client.send(request).await }
        });
        let _held = silent.accept().await.unwrap();
        let sent = client.send(request(&second)).await;
        let sent = sent.map(|response| response.status.as_u16()).map_err(|error| error.to_string());
        assert_eq!(sent, expected.map_err(str::to_owned));
        busy.abort();
    }
    server.abort();
}

#[tokio::test]
async fn connections_to_a_host_are_limited() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let server = tokio::spawn({
        let most = most.clone();
        async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let open = open.clone();
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 1024]).await;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    open.fetch_sub(1, Ordering::SeqCst);
                    let _ =
                        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
                });
            }
        }
    });
    let client = client(Reach::Any, &settings(Duration::from_secs(30)));
    let sent = join_all((0..100).map(|_| client.send(request(&address)))).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    let most = most.load(Ordering::SeqCst);
    assert!((2..=16).contains(&most), "{most}");
    server.abort();
}

#[tokio::test]
async fn a_silently_dead_connection_is_closed_within_10_seconds() {
    let sink = Sink::start(Options::default()).await.unwrap();
    let server = sink.address().trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/received", listener.local_addr().unwrap());
    let dead = Arc::new(Notify::new());
    let proxy = tokio::spawn({
        let dead = dead.clone();
        async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (server, dead) = (server.clone(), dead.clone());
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut stream, &mut server) => {}
                        // Nothing is forwarded any more, and nothing is closed.
                        () = dead.notified() => std::future::pending().await,
                    }
                });
            }
        }
    });
    let client = Client::new(Reach::Any, Protocol::Http2, &settings(Duration::from_secs(30))).unwrap();
    client.send(request(&address)).await.unwrap();
    dead.notify_waiters();
    let started = Instant::now();
    let sent = client.send(request(&address)).await;
    assert_eq!(sent.unwrap_err(), RequestError::Broken("no answer to a ping"));
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
    client.send(request(&address)).await.unwrap();
    proxy.abort();
}

/// Serves HTTP/2 connections that end with a GOAWAY frame once a request has begun.
async fn go_away(debug_data: &'static [u8]) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
            stream.write_all(&settings).await.unwrap();
            stream.read_exact(&mut [0; 24]).await.unwrap();
            let mut kind = 0;
            while kind != 1 {
                let mut head = [0; 9];
                stream.read_exact(&mut head).await.unwrap();
                kind = head[3];
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                stream.read_exact(&mut vec![0; usize::try_from(length).unwrap()]).await.unwrap();
            }
            let length = u8::try_from(8 + debug_data.len()).unwrap();
            let head = [0, 0, length, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11];
            stream.write_all(&[&head, debug_data].concat()).await.unwrap();
        }
    });
    (address, server)
}

#[tokio::test]
async fn errors_do_not_repeat_the_texts_of_a_server() {
    let secret = "the-text-of-the-server";
    let settings = settings(Duration::from_secs(30));
    let (address, server) = go_away(secret.as_bytes()).await;
    let http2 = Client::new(Reach::Any, Protocol::Http2, &settings).unwrap();
    let gone = http2.send(request(&address)).await.unwrap_err();
    server.abort();
    let (address, server) = serve(format!("{secret}\r\n\r\n").into_bytes()).await;
    let invalid = client(Reach::Any, &settings).send(request(&address)).await.unwrap_err();
    server.abort();
    // The certificate is for other addresses, which it lists.
    let sink = Sink::start(Options { tls: true, listen: "127.0.0.2:0".parse().unwrap(), ..Options::default() });
    let sink = sink.await.unwrap();
    let settings = Settings { authorities: sink.certificate().cloned().into_iter().collect(), ..settings };
    let other = client(Reach::Any, &settings).send(request(sink.address())).await.unwrap_err();

    assert!(matches!(gone, RequestError::Broken(_)), "{gone:?}");
    assert_eq!(invalid, RequestError::Broken("the response is not valid HTTP"));
    assert_eq!(other, RequestError::Broken("the certificate is for another name"));
    for text in [secret, "localhost"] {
        for error in [gone, invalid, other] {
            assert!(!format!("{error} {error:?}").contains(text), "{error:?}");
        }
    }
}

#[tokio::test]
async fn the_debug_output_of_a_response_has_only_its_status() {
    let response = b"HTTP/1.1 200 OK\r\nx-text: secret\r\ncontent-length: 6\r\n\r\nsecret".to_vec();
    let (address, server) = serve(response).await;
    let response = client(Reach::Any, &settings(Duration::from_secs(30))).send(request(&address)).await.unwrap();
    assert_eq!(format!("{response:?}"), "Response { status: 200, .. }");
    server.abort();
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted() {
    let sink = Sink::start(Options { tls: true, ..Options::default() }).await.unwrap();
    let sent = client(Reach::Any, &settings(Duration::from_secs(30))).send(request(sink.address())).await;
    assert!(matches!(&sent, Err(RequestError::Broken(cause)) if cause.contains("certificate")), "{sent:?}");
}
