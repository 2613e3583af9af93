//! The actions on the installation that the tests of the page ask for, one line for each.

use std::{convert::Infallible, io};

use harness::ServiceId;
use system_tests::World;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Serves one connection after another.
pub(super) async fn serve(listener: &TcpListener, world: &World) -> Infallible {
    loop {
        let (connection, _) = listener.accept().await.expect("a connection");
        if let Err(error) = answer(connection, world).await {
            eprintln!("an action has no answer: {error}");
        }
    }
}

async fn answer(connection: TcpStream, world: &World) -> io::Result<()> {
    let mut connection = BufReader::new(connection);
    let mut line = String::new();
    while connection.read_line(&mut line).await? > 0 {
        let answer = match act(line.trim(), world).await {
            Ok(()) => "ok\n".to_owned(),
            Err(error) => format!("{error}\n"),
        };
        connection.write_all(answer.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

async fn act(action: &str, world: &World) -> Result<(), String> {
    match action {
        "restart command-service" => restart(world, ServiceId::Command(0)).await,
        "restart query-service" => restart(world, ServiceId::Query(0)).await,
        "rebuild" => match world.stack.operate("rebuild --yes").await {
            Ok(output) if output.status.success() => Ok(()),
            other => Err(format!("{other:?}")),
        },
        _ => Err(format!("there is no action {action}")),
    }
}

async fn restart(world: &World, service: ServiceId) -> Result<(), String> {
    world.stack.stop(service).await.ok_or("the service does not run")?;
    world.stack.start_again(service).await.map_err(|error| format!("{error:?}"))
}
