//! A proxy that can cut connections to the server, or drop data in one direction.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
};

/// A proxy between clients and their server. Ends with the runtime.
#[derive(Debug)]
pub struct Proxy {
    /// The port for clients.
    pub port: u16,
    deaf: Arc<AtomicBool>,
    cut: watch::Sender<u64>,
}

impl Proxy {
    /// Starts a proxy to this port.
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let deaf = Arc::new(AtomicBool::new(false));
        let cut = watch::channel(0).0;
        let (silence, cuts) = (deaf.clone(), cut.clone());
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let never = Arc::new(AtomicBool::new(false));
                tokio::spawn(pump(from_client, to_server, never, cuts.subscribe()));
                tokio::spawn(pump(from_server, to_client, silence.clone(), cuts.subscribe()));
            }
        });
        Self { port, deaf, cut }
    }

    /// Starts a proxy to the service at this address.
    pub async fn to_service(url: &str) -> Self {
        let (_, port) = url.rsplit_once(':').expect("an address with a port");
        Self::to(port.parse().expect("a port")).await
    }

    /// The address of an HTTP service behind the proxy.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Drops all data from the server from now on.
    pub fn lose_answers(&self) {
        self.deaf.store(true, Ordering::SeqCst);
    }

    /// Ends every connection. New ones work.
    pub fn cut(&self) {
        self.deaf.store(false, Ordering::SeqCst);
        self.cut.send_modify(|count| *count += 1);
    }
}

async fn pump(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    deaf: Arc<AtomicBool>,
    mut cut: watch::Receiver<u64>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = cut.changed() => return,
        };
        match read {
            Ok(count @ 1..) if !deaf.load(Ordering::SeqCst) => {
                if to.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
            Ok(1..) => {}
            _ => return,
        }
    }
}
