//! Executions that users start: without an event, with the same limits.

use super::{Intake, IntakeError};
use crate::model::{InputObject, ObjectLocation};
use crate::objects::{ObjectError, Revision};
use crate::store::NewExecution;

impl Intake {
    /// Reads the metadata of the object, or of one of its versions. The execution then processes exactly this upload,
    /// and no later one.
    pub async fn look_up(&self, location: ObjectLocation, version: Option<String>) -> Result<InputObject, ObjectError> {
        let head = self.objects.head(&location, Revision { version: version.as_deref(), etag: None }).await?;
        Ok(InputObject {
            location,
            size_bytes: Some(head.size_bytes),
            etag: Some(head.etag),
            version: version.or(head.version),
            metadata: head.metadata,
        })
    }

    /// Starts an execution, unless one of its queues holds enough. Repeating it with the same identifier changes
    /// nothing.
    pub async fn start(&self, execution: NewExecution) -> Result<(), IntakeError> {
        if let Some((queue, waiting)) = self.backlog.admit(&self.store, &execution.plan).await? {
            return Err(IntakeError::Full { queue, waiting });
        }
        Ok(self.store.start(execution, self.clock.now()).await?)
    }
}
