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

/// A proxy between a client and its server. Ends with the runtime.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    deaf: Arc<AtomicBool>,
    cut: watch::Sender<u64>,
}

impl Proxy {
    pub(crate) async fn to(server: u16) -> Self {
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

    /// Drops all data from the server from now on.
    pub(crate) fn lose_answers(&self) {
        self.deaf.store(true, Ordering::SeqCst);
    }

    /// Ends every connection. New ones work.
    pub(crate) fn cut(&self) {
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
