//! What the driver does once its commit is durable.

use coordinator::driver::{Answer, Effect, Refused, RequestId, SessionId, ToWorker};

use super::Asker;
use crate::{calls::Reply, world::World};

impl World {
    /// Acts, in order.
    pub(super) fn act(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(session, message) => self.say(session, message),
                Effect::Close(session) => self.close_session(session),
                Effect::Refuse(session, reason) => {
                    if let Some(stream) = self.stream_of(session) {
                        self.send_down(stream, Err(reason));
                    }
                    self.close_session(session);
                }
                Effect::Answer(id, answer) => self.answer(id, answer),
                Effect::Publish(_) => {}
                Effect::DeleteObjects(study) => self.coordinator.objects.delete_study(&study),
            }
        }
    }

    fn say(&mut self, session: SessionId, message: ToWorker) {
        if let ToWorker::Ack(sequence) = message
            && let Some(process) = &mut self.coordinator.process
        {
            let reports = process.batches.remove(&(session, sequence)).unwrap_or_default();
            self.checks.acknowledged(&reports);
        }
        if let Some(stream) = self.stream_of(session) {
            self.send_down(stream, Ok(message));
        }
    }

    fn answer(&mut self, id: RequestId, answer: Result<Answer, Refused>) {
        let Some(process) = &mut self.coordinator.process else { return };
        match process.requests.remove(&id) {
            Some(Asker::Client(intent)) => self.answered(intent, answer),
            Some(Asker::Upload(call, attempt)) => match answer {
                Ok(Answer::Holds(true)) => self.receive_bytes(call, attempt),
                Ok(_) => self.reply(call, attempt, Reply::Refused),
                Err(_) => self.reply(call, attempt, Reply::Failed),
            },
            Some(Asker::Download(call, attempt)) => match answer {
                Ok(Answer::Holds(true)) => self.read_object(call, attempt),
                Ok(_) => self.reply(call, attempt, Reply::Refused),
                Err(_) => self.reply(call, attempt, Reply::Failed),
            },
            Some(Asker::Lost(call, attempt)) => match answer {
                Ok(_) => self.reply(call, attempt, Reply::Refused),
                Err(_) => self.reply(call, attempt, Reply::Failed),
            },
            None => {}
        }
    }

    pub(super) fn answer_failed(&mut self, id: RequestId) {
        self.answer(id, Err(Refused::Store("failed".to_owned())));
    }

    /// Ends a session's stream from this side; its handler then tells the driver.
    pub(super) fn close_session(&mut self, session: SessionId) {
        if let Some(number) = self.stream_of(session) {
            self.close_coordinator_end(number);
        }
    }
}
