//! The relay's engine, part by part, from outside.

mod admission_spares_the_innocent;
mod flow_table_agrees_with_a_model;
mod pace_waits_only_when_busy;
mod trains_cross_the_kernel;
mod trains_keep_the_order_of_a_flow;
