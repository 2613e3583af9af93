//! Requests outside: the guard and the limits.

use std::time::{Duration, Instant};

use push::outbound::{Client, MAX_BODY, Protocol, Reach, RequestError, Settings};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
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
    let answer = client(Reach::Any, &settings(Duration::from_secs(30))).send(request(&address)).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, MAX_BODY));
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
    let answer = client(Reach::Any, &settings(Duration::from_secs(30))).send(request(&address)).await.unwrap();
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (201, &b"half"[..]));
    server.await.unwrap();
}

#[tokio::test]
async fn a_redirect_is_a_response() {
    let response = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec();
    let (address, server) = serve(response).await;
    let answer = client(Reach::Any, &settings(Duration::from_secs(30))).send(request(&address)).await.unwrap();
    assert_eq!(answer.status.as_u16(), 302);
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
async fn an_unknown_authority_is_not_trusted() {
    let options = push_sink::Options { tls: true, ..push_sink::Options::default() };
    let sink = push_sink::Sink::start(options).await.unwrap();
    let sent = client(Reach::Any, &settings(Duration::from_secs(30))).send(request(sink.address())).await;
    assert!(matches!(&sent, Err(RequestError::Broken(cause)) if cause.contains("certificate")), "{sent:?}");
}
