//! The long-lived tasks by name: whoever ends before the stop is noticed, whoever is late at the stop is named.
use std::{future::Future, time::Duration};
use tokio::{
    task::{Id, JoinSet},
    time::{Instant, timeout_at},
};

/// All tasks that live as long as the daemon.
#[derive(Default)]
pub struct Tasks {
    set: JoinSet<()>,
    names: Vec<(Id, &'static str)>,
}

impl Tasks {
    /// Run `task` under this name.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.set.spawn(task).id();
        self.names.push((id, name));
    }

    /// The name of the next task that ends. Waits for ever while there is none.
    pub async fn next_end(&mut self) -> &'static str {
        let ended = match self.set.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => return std::future::pending().await,
        };
        let place = self.names.iter().position(|&(id, _)| id == ended);
        place.map_or("unknown", |place| self.names.swap_remove(place).1)
    }

    /// Wait until every task has ended, but no longer than until `deadline`; the names of those that have not, by then.
    pub async fn wait(&mut self, deadline: Instant) -> Vec<&'static str> {
        while !self.set.is_empty() && timeout_at(deadline, self.next_end()).await.is_ok() {}
        self.names.iter().map(|&(_, name)| name).collect()
    }

    /// End whatever still runs.
    pub async fn abort(&mut self) {
        self.set.abort_all();
        // A task that is aborted ends at its next await: no need to wait long, nor to wait for a blocked one.
        let _ =
            tokio::time::timeout(Duration::from_millis(100), async { while self.set.join_next().await.is_some() {} })
                .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_early_end_is_named_and_a_late_one_too() {
        let mut tasks = Tasks::default();
        tasks.spawn("slow", async { tokio::time::sleep(Duration::from_secs(60)).await });
        tasks.spawn("early", async {});
        assert_eq!(tasks.next_end().await, "early");
        assert_eq!(tasks.wait(Instant::now() + Duration::from_secs(1)).await, ["slow"]);
        assert!(tasks.wait(Instant::now() + Duration::from_secs(60)).await.is_empty());
    }
}
