-- Operators who want the parked boxes of a stream to be tried again. While less is done than wanted, whoever projects the
-- stream begins anew, which tries them.
create table control.retries (
    generation int not null,
    stream text not null,
    wanted bigint not null,
    done bigint not null default 0,
    primary key (generation, stream)
);
