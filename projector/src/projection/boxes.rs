//! Events of a box itself.

use domain::{OwnEvent, UserId};

use super::{
    error::InvalidEvent,
    tables::BoxRow,
    workspace::{EventContext, Workspace},
};

impl Workspace {
    pub(super) fn install_box(&mut self, context: &EventContext<'_>, event: &OwnEvent) -> Result<(), InvalidEvent> {
        let OwnEvent::BoxInstalled { box_id, kind, zip_code, address, detailed_address, latitude, longitude } = event
        else {
            return Ok(());
        };
        if self.boxes.contains_key(context.box_id) || box_id != context.box_id {
            return Err(InvalidEvent(format!("the box {} cannot be installed as {box_id}", context.box_id)));
        }
        let row = BoxRow {
            kind: kind.as_str().to_owned(),
            zip_code: zip_code.clone(),
            address: address.clone(),
            detailed_address: detailed_address.clone(),
            latitude: *latitude,
            longitude: *longitude,
            service: "in_service".to_owned(),
            out_of_service_reason: None,
            room_id: None,
            installed_at: context.at(),
            users: Vec::new(),
        };
        self.boxes.insert(box_id.clone(), row);
        self.changed.boxes.insert(box_id.clone());
        Ok(())
    }

    pub(super) fn change_details(&mut self, context: &EventContext<'_>, event: &OwnEvent) -> Result<(), InvalidEvent> {
        let OwnEvent::BoxDetailsChanged { kind, zip_code, address, detailed_address, coordinates } = event else {
            return Ok(());
        };
        let row = self.change_box(context.box_id)?;
        if let Some(kind) = kind {
            kind.as_str().clone_into(&mut row.kind);
        }
        if let Some((latitude, longitude)) = coordinates {
            (row.latitude, row.longitude) = (*latitude, *longitude);
        }
        for (field, new) in
            [(&mut row.zip_code, zip_code), (&mut row.address, address), (&mut row.detailed_address, detailed_address)]
        {
            if let Some(new) = new {
                field.clone_from(new);
            }
        }
        Ok(())
    }

    /// Allows a user to use the box while it is private.
    pub(super) fn allow(&mut self, context: &EventContext<'_>, user_id: &UserId) -> Result<(), InvalidEvent> {
        let users = &mut self.change_box(context.box_id)?.users;
        if let Err(place) = users.binary_search(user_id) {
            users.insert(place, user_id.clone());
        }
        Ok(())
    }

    pub(super) fn disallow(&mut self, context: &EventContext<'_>, user_id: &UserId) -> Result<(), InvalidEvent> {
        let users = self.boxes.get(context.box_id).map(|row| row.users.as_slice()).unwrap_or_default();
        if let Ok(place) = users.binary_search(user_id) {
            self.change_box(context.box_id)?.users.remove(place);
        }
        Ok(())
    }

    pub(super) fn set_service(
        &mut self,
        context: &EventContext<'_>,
        service: &str,
        reason: Option<String>,
    ) -> Result<(), InvalidEvent> {
        let row = self.change_box(context.box_id)?;
        service.clone_into(&mut row.service);
        row.out_of_service_reason = reason;
        Ok(())
    }
}
