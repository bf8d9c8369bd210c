CREATE TABLE "chain_cursors" (
	"chain_id" bigint NOT NULL,
	"coordinator" "bytea" NOT NULL,
	"tenant_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL,
	"block" bigint NOT NULL,
	"block_hash" "bytea" NOT NULL,
	CONSTRAINT "chain_cursors_chain_id_coordinator_pk" PRIMARY KEY("chain_id","coordinator")
);
--> statement-breakpoint
CREATE TABLE "chain_requests" (
	"request_id" "bytea" PRIMARY KEY NOT NULL,
	"tenant_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL,
	"chain_id" bigint NOT NULL,
	"coordinator" "bytea" NOT NULL,
	"block" bigint NOT NULL,
	"event" text NOT NULL,
	"state" text NOT NULL,
	"code" text,
	"attempts" integer DEFAULT 0 NOT NULL,
	"next_try_at" timestamp with time zone NOT NULL,
	"deadline_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "chain_transactions" (
	"chain_id" bigint NOT NULL,
	"nonce" bigint NOT NULL,
	"tenant_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL,
	"request_id" "bytea" NOT NULL,
	"raw" "bytea" NOT NULL,
	"gas_limit" bigint NOT NULL,
	"max_fee_per_gas" bigint NOT NULL,
	"max_priority_fee_per_gas" bigint NOT NULL,
	"sent_at" timestamp with time zone NOT NULL,
	CONSTRAINT "chain_transactions_chain_id_nonce_pk" PRIMARY KEY("chain_id","nonce")
);
--> statement-breakpoint
CREATE INDEX "chain_requests_open" ON "chain_requests" USING btree ("chain_id","coordinator","next_try_at") WHERE state = 'open';