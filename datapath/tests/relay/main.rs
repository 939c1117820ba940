//! The relay's engine, part by part, from outside.

mod a_ufrag_proves_itself_each_time;
mod admission_spares_the_innocent;
mod flow_table_agrees_with_a_model;
mod pace_waits_only_when_busy;
