//! An echo server on tokio's multi-threaded runtime: tokio-echo ADDRESS. A client that sends "quit\n" ends it.
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

#[tokio::main] // as many workers as the machine has processors
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_string());
    let listener = TcpListener::bind(&address).await?;
    println!("listening");
    let quit = Arc::new(Notify::new());
    let mut served = 0u32;
    loop {
        tokio::select! {
            _ = quit.notified() => break,
            accepted = listener.accept() => {
                let (mut socket, _) = accepted?;
                served += 1;
                let quit = quit.clone();
                tokio::spawn(async move {
                    let mut buf = [0u8; 4096];
                    loop {
                        match socket.read(&mut buf).await {
                            Ok(0) | Err(_) => return,
                            Ok(n) => {
                                if &buf[..n] == b"quit\n" {
                                    quit.notify_one();
                                    return;
                                }
                                if socket.write_all(&buf[..n]).await.is_err() {
                                    return;
                                }
                            }
                        }
                    }
                });
            }
        }
    }
    println!("served {}", served);
    Ok(())
}
