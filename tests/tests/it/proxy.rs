//! A proxy whose connections can be cut at any byte.

use std::sync::Arc;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// A proxy between clients and a service. Ends with the runtime.
pub(super) struct Proxy {
    port: u16,
    cut: Arc<Notify>,
}

impl Proxy {
    pub(super) async fn to(url: &str) -> Self {
        let service = url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(Notify::new());
        let cuts = cut.clone();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (service, cuts) = (service.clone(), cuts.clone());
                tokio::spawn(async move {
                    let passing = async {
                        let mut server = TcpStream::connect(service).await?;
                        copy_bidirectional(&mut client, &mut server).await
                    };
                    tokio::select! {
                        _ = passing => {}
                        () = cuts.notified() => {}
                    }
                });
            }
        });
        Self { port, cut }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends every connection. New ones are accepted.
    pub(super) fn cut(&self) {
        self.cut.notify_waiters();
    }
}
