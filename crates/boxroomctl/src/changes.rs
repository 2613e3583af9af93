//! Commands that take effect at once.

use operator_protocol::{Activate, GetStatus, OperatorClient, Pause, Resume, Retire, Rollback, Switched};

use crate::{
    arguments::{ActivateArgs, PauseArgs, RetireArgs, RollbackArgs},
    ask::send_request,
    console::{self, confirm},
    failure::Failure,
};

pub(crate) async fn activate(args: ActivateArgs) -> Result<(), Failure> {
    let request = Activate { generation: args.generation, unverified: args.unverified };
    let switched = send_request(&args.operator, &request).await?;
    console::result(args.operator.json, &switched, &describe(switched))
}

pub(crate) async fn roll_back(args: RollbackArgs) -> Result<(), Failure> {
    let operator = OperatorClient::connect(&args.operator.operator_url).await?;
    let from = operator.send_request(&GetStatus {}).await?.active();
    let switched = operator.send_request(&Rollback { from }).await?;
    console::result(args.operator.json, &switched, &describe(switched))
}

fn describe(Switched { generation, former }: Switched) -> String {
    match former {
        Some(former) => {
            format!("generation {generation} is active; generation {former} is kept: `rollback` returns to it")
        }
        None => format!("generation {generation} is active"),
    }
}

pub(crate) async fn retire(args: RetireArgs) -> Result<(), Failure> {
    let (request, what) = match args.generation {
        Some(number) => (Retire::One(number), format!("generation {number}")),
        None => (Retire::AllStandby, "every standby generation".to_owned()),
    };
    confirm(&format!("This drops the tables of {what}."), args.yes)?;
    let retired = send_request(&args.operator, &request).await?;
    let text = match retired.generations.as_slice() {
        [] => "there was nothing to retire".to_owned(),
        numbers => {
            let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            format!("retired: {}; the tables are dropped when no reader is left", numbers.join(", "))
        }
    };
    console::result(args.operator.json, &retired, &text)
}

pub(crate) async fn pause(args: PauseArgs) -> Result<(), Failure> {
    let paused = send_request(&args.operator, &Pause { generation: args.generation }).await?;
    let text = format!("generation {0} is paused; `resume {0}` continues it", paused.generation);
    console::result(args.operator.json, &paused, &text)
}

pub(crate) async fn resume(args: PauseArgs) -> Result<(), Failure> {
    let resumed = send_request(&args.operator, &Resume { generation: args.generation }).await?;
    console::result(args.operator.json, &resumed, &format!("generation {} is resumed", resumed.generation))
}
