//! What the daemon attends to while something else takes its time.
use super::{
    asking::{Asks, pretended::Cloud},
    memory::Memory,
    names::Names,
    *,
};
use crate::local::Printer;
use std::sync::{Mutex, mpsc};

#[test]
fn while_positions_of_another_program_are_looked_for_the_rest_is_attended_to() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let text = serde_json::json!({
            "agent": { "region": "us-east-1", "instance": { "prefix": "sys", "serial": "1" },
                "state_folder": folder.path().join("state"), "import_state": folder.path().join("agent") },
            "logs": { "logs_collected": { "files": { "collect_list": [
                { "file_path": folder.path().join("x.log"), "log_group_name": "/{account_id}" } ] } } } });
        let file = folder.path().join("c.json");
        std::fs::write(&file, text.to_string()).expect("written");
        let settings = crate::config::load(&file).settings.expect("valid");
        let mut plan = Plan::make(settings, &Options::default()).await.expect("a plan");
        let printer = Printer::new(std::io::sink());
        let trouble = printer.trouble();
        let options = Options { destination: Override::DryRun(Arc::new(printer), trouble), once: false };
        let mut running = Running::start(&plan, &options, &Arc::default()).await.expect("it starts");
        // All threads for what blocks hang, as on a dead mount: what is looked for is not found.
        let (release, released) = mpsc::channel::<()>();
        let hanging = tokio::task::spawn_blocking(move || _ = released.recv());
        let cloud = Arc::new(Cloud { account: Some(Duration::ZERO), ..Cloud::default() });
        let asks: Arc<dyn Asks> = cloud.clone();
        let memory = Arc::new(Memory::of(folder.path()));
        running.names = Names::new(plan.identity.clone(), plan.missing(), Some(asks), memory);
        running.tasks.spawn("short", async move {
            while cloud.count("account") == 0 {
                cloud.heard.notified().await;
            }
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        });
        let mut signals = Signals::listen().expect("signals");
        let reload = Reload { read: Arc::new(|| Err(String::new())), in_force: &|_| {} };
        let notify = Notify::default();
        let ended = tokio::time::timeout(
            Duration::from_secs(20),
            attend(&mut running, &mut plan, &options, &mut signals, (&reload, &notify)),
        );
        let ended = ended.await.expect("in time");
        assert!(matches!(ended, Err(DaemonError::TaskEnded("short"))), "{:?}", ended.err());
        assert_eq!(plan.waiting().count(), 0, "its name was known");
        drop(release);
        hanging.await.expect("no panic");
        running.stop(Duration::from_secs(5)).await;
    });
}

#[tokio::test]
async fn while_the_configuration_is_read_again_signals_are_heard() {
    let (answer, answered) = mpsc::channel::<()>();
    let answered = Mutex::new(answered);
    // As long as a mount does not answer.
    let read: Read = Arc::new(move || {
        let answered = answered.lock().expect("one reader");
        assert!(answered.recv_timeout(Duration::from_secs(30)).is_ok(), "nobody else came to its turn");
        Err("a fault".to_owned())
    });
    let options = Options::default();
    let mut planning = pin!(plan_again(read, &options));
    tokio::select! {
        biased;
        _ = &mut planning => panic!("it is still being read"),
        () = tokio::task::yield_now() => answer.send(()).expect("it is being read"),
    }
    assert_eq!(planning.await.expect("read").err().as_deref(), Some("a fault"));
}
