//! The authorization table of `docs/authorization.md`: every cell is tried, over HTTP, NATS and live connections.
//!
//! The test fails if an operation of a service has no row in the table, or if a row has no operation.

mod callers;
mod fixture;
mod frames;
mod requests;
mod table;

use std::{collections::BTreeSet, sync::atomic::AtomicUsize};

use futures::{StreamExt, stream};
use harness::StackOptions;
use reqwest::Method;
use serde_json::json;
use system_tests::{
    Person, World,
    api::{Api, Operation},
    log::Device,
};
use testing::wait::eventually;

use self::{
    callers::{Caller, Strangers},
    fixture::Fixture,
    requests::{Outcome, Way},
    table::{Cell, Table},
};

/// The number of concurrently tried cells.
const AT_ONCE: usize = 8;

/// The state that is needed to try a cell.
struct Trial {
    world: World,
    device: Device,
    strangers: Strangers,
    /// A user who was suspended.
    suspended: Person,
    /// The shared fixture of requests that are to be refused or that change nothing.
    fixture: Fixture,
    fixtures: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_has_exactly_the_permissions_of_the_table() {
    let world = World::start(StackOptions::default()).await;
    let table = Table::read();
    let commands = Api::fetch(&world, &world.stack.command_url(0)).await;
    let queries = Api::fetch(&world, &world.stack.query_url(0)).await;
    let described: BTreeSet<_> = commands.operations().chain(queries.operations()).map(Operation::name).collect();
    assert_eq!(described, table.operations(), "every operation that is described has a row, and no other");

    let trial = Trial::prepare(world).await;
    let (trial, table) = (&trial, &table);
    let cells = commands.operations().map(|operation| (operation, &[Way::Command, Way::Nats][..]));
    let cells = cells.chain(queries.operations().map(|operation| (operation, &[Way::Query][..])));
    let cells = cells.flat_map(|(operation, ways)| {
        ways.iter().flat_map(move |way| Caller::all().map(move |caller| (operation, *way, caller)))
    });
    let wrong = stream::iter(cells).map(|(operation, way, caller)| async move {
        let gives_tokens = way == Way::Nats && gives_tokens(operation);
        let cell = if gives_tokens { &Cell::NotOverNats } else { table.cell(&operation.name(), caller) };
        let outcome = trial.ask(operation, way, caller, cell).await;
        let right = if outcome.fits(caller, cell) { None } else { Some(outcome) };
        right.map(|found| format!("{} by {caller:?} over {way:?}: {cell:?}, but {found:?}", operation.name()))
    });
    let wrong: Vec<String> = wrong.buffer_unordered(AT_ONCE).filter_map(async |wrong| wrong).collect().await;
    assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    frames::check(trial, table).await;
}

/// Returns true if the answer contains a token, which boxes must not read over NATS.
fn gives_tokens(operation: &Operation) -> bool {
    ["/sessions", "/password-resets"].iter().any(|part| operation.path.contains(part))
        || operation.method == Method::POST && operation.path == "/rooms/{room}/invitations"
}

impl Trial {
    async fn prepare(world: World) -> Self {
        world.register_store("pizzeria").await;
        world.register_store("corner").await;
        let fixture = Fixture::build(&world, 0, &Caller::SIGNED_IN).await;
        for person in [&fixture.host, &fixture.co_host, &fixture.member, &fixture.blocked] {
            world.sees_room(person, &fixture.room).await;
        }
        let suspended = world.user("suspended").await;
        let reason = json!({ "reason": "Advertising" });
        world.operator().put("/users/suspended/suspension", reason).await.done();
        eventually("the revocation of the user's token", async || {
            let answers = [suspended.get("/me").await.status, suspended.delete("/sessions").await.status];
            (answers == [401, 401]).then_some(())
        })
        .await;
        let device = Device::connect(&world.stack).await;
        Self { strangers: Strangers::new(), suspended, world, device, fixture, fixtures: AtomicUsize::new(1) }
    }

    /// Sends a request. One that may change something gets a fixture of its own.
    async fn ask(&self, operation: &Operation, way: Way, caller: Caller, cell: &Cell) -> Outcome {
        let changes = *cell == Cell::Yes && operation.method != Method::GET;
        let own = if changes { Some(self.another_place(operation, caller).await) } else { None };
        let fixture = own.as_ref().unwrap_or(&self.fixture);
        let token = self.token(caller, fixture);
        requests::ask(self, operation, way, fixture, token.as_deref()).await
    }

    async fn another_place(&self, operation: &Operation, caller: Caller) -> Fixture {
        let number = self.fixtures.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let is_of_a_place = ["{box}", "{room}"].iter().any(|name| operation.path.contains(name));
        if is_of_a_place {
            Fixture::build(&self.world, number, &[caller]).await
        } else {
            Fixture::imagine(&self.world, number)
        }
    }

    fn token(&self, caller: Caller, fixture: &Fixture) -> Option<String> {
        let of = |person: &Person| Some(person.token().to_owned());
        match caller {
            Caller::Anonymous(kind) => self.strangers.token(&self.world, kind),
            Caller::Operator => of(&fixture.operator),
            Caller::Moderator => of(&fixture.moderator),
            Caller::Box => of(&self.world.device(&fixture.box_id)),
            Caller::OtherBox => of(&self.world.device(&fixture.other_box)),
            Caller::Suspended => of(&self.suspended),
            Caller::Other => of(&fixture.other),
            Caller::Invited => of(&fixture.invited),
            Caller::Parted => of(&fixture.parted),
            Caller::Kicked => of(&fixture.kicked),
            Caller::Member => of(&fixture.member),
            Caller::Blocked => of(&fixture.blocked),
            Caller::CoHost => of(&fixture.co_host),
            Caller::Host => of(&fixture.host),
        }
    }
}
