-- The store of Bruk 0.1.0 with a little of everything, as SQLite's .dump writes it.
-- Made once with that version; never change it.
BEGIN TRANSACTION;
CREATE TABLE account (
	project VARCHAR(200) NOT NULL, 
	spent_microeur BIGINT NOT NULL, 
	device_ms BIGINT NOT NULL, 
	decayed_device_ms BIGINT NOT NULL, 
	decayed_at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_account PRIMARY KEY (project), 
	CONSTRAINT fk_account_project FOREIGN KEY(project) REFERENCES project (id)
);
INSERT INTO "account" VALUES('acme/lab',5030,5000,5000,1800000005000);
INSERT INTO "account" VALUES('lumen/lab',0,0,0,1800000000000);
INSERT INTO "account" VALUES('nordic/lab',0,0,0,1800000000000);
CREATE TABLE acknowledgement (
	enforcer VARCHAR(10) NOT NULL, 
	id VARCHAR(200) NOT NULL, 
	generation BIGINT NOT NULL, 
	at_ms BIGINT NOT NULL, 
	refused BIGINT NOT NULL, 
	drained BIGINT NOT NULL, 
	stopped BIGINT NOT NULL, 
	processes_left BIGINT NOT NULL, 
	CONSTRAINT pk_acknowledgement PRIMARY KEY (enforcer, id)
);
INSERT INTO "acknowledgement" VALUES('agent','essonne',0,1800000005000,0,0,0,0);
INSERT INTO "acknowledgement" VALUES('agent','borlange',0,1800000005000,0,0,0,0);
INSERT INTO "acknowledgement" VALUES('gateway','gw',0,1800000005000,0,0,0,0);
CREATE TABLE agent (
	site VARCHAR(200) NOT NULL, 
	token_hash TEXT NOT NULL, 
	last_sync_at_ms BIGINT, 
	journal TEXT NOT NULL, 
	meter_seq BIGINT NOT NULL, 
	boot_id TEXT NOT NULL, 
	version TEXT NOT NULL, 
	local_hold JSON, 
	CONSTRAINT pk_agent PRIMARY KEY (site), 
	CONSTRAINT fk_agent_site FOREIGN KEY(site) REFERENCES site (name)
);
INSERT INTO "agent" VALUES('essonne','5f7209d5c3fe160355f1b2677d0e4636814ab8a47dd83748741f3b047e064dd0',1800000005000,'journal-essonne',0,'boot','0.1','null');
INSERT INTO "agent" VALUES('borlange','b45ce10cff231e39428e773acb8013b0f8f9c8e7cc772aec89703eb573300457',1800000005000,'journal-borlange',1,'boot','0.1','null');
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE api_key (
	id VARCHAR(200) NOT NULL, 
	project VARCHAR(200) NOT NULL, 
	name TEXT NOT NULL, 
	prefix TEXT NOT NULL, 
	secret_hash VARCHAR(64) NOT NULL, 
	created_at_ms BIGINT NOT NULL, 
	expires_at_ms BIGINT, 
	disabled BOOLEAN NOT NULL, 
	CONSTRAINT pk_api_key PRIMARY KEY (id), 
	CONSTRAINT fk_api_key_project FOREIGN KEY(project) REFERENCES project (id), 
	CONSTRAINT uq_api_key_secret_hash UNIQUE (secret_hash)
);
INSERT INTO "api_key" VALUES('key_0000000030','acme/lab','laptop','bk_secret','4ffa25e5a94d050b9208e79c93019c0c260e4c43b0da3bdce03ffe58e82a79e9',1800000005000,NULL,0);
CREATE TABLE artifact (
	id VARCHAR(200) NOT NULL, 
	project VARCHAR(200) NOT NULL, 
	name TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	created_at_ms BIGINT NOT NULL, 
	source_run VARCHAR(200), 
	locations JSON NOT NULL, 
	CONSTRAINT pk_artifact PRIMARY KEY (id), 
	CONSTRAINT fk_artifact_project FOREIGN KEY(project) REFERENCES project (id)
);
INSERT INTO "artifact" VALUES('art_0000000009','acme/lab','model','file','d362167fd47565eef34be284ce3082a6db25a3d58e6ecfbeeddd499bb61cd709',13,1800000000000,'run_0000000007','["control", "borlange"]');
INSERT INTO "artifact" VALUES('art_0000000013','acme/lab','evaluation.json','file','1490ad5deb888e7a7119218d9b6adda9a68b5d984395a8ec520d2299410e44e3',49,1800000000000,'run_0000000011','["control", "borlange"]');
CREATE TABLE audit (
	seq BIGINT NOT NULL, 
	at_ms BIGINT NOT NULL, 
	actor_kind TEXT NOT NULL, 
	actor_id TEXT NOT NULL, 
	action TEXT NOT NULL, 
	target TEXT NOT NULL, 
	outcome TEXT NOT NULL, 
	detail JSON NOT NULL, 
	prev VARCHAR(64) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (seq), 
	CONSTRAINT uq_audit_hash UNIQUE (hash)
);
INSERT INTO "audit" VALUES(1,1800000000000,'system','control','user.first_operator','user_0000000001','done','{}','0000000000000000000000000000000000000000000000000000000000000000','43e2a0f4657429b82b750c1b48640759d9c8937ffcc056cc7cf9fd61795c3d40');
INSERT INTO "audit" VALUES(2,1800000000000,'user','user_0000000001','site.add','essonne','done','{"country": "FR"}','43e2a0f4657429b82b750c1b48640759d9c8937ffcc056cc7cf9fd61795c3d40','596869a26ed06deed551882d21e31167253f5ba2ddf20cff398060dac2fddd23');
INSERT INTO "audit" VALUES(3,1800000000000,'user','user_0000000001','site.add','borlange','done','{"country": "SE"}','596869a26ed06deed551882d21e31167253f5ba2ddf20cff398060dac2fddd23','7ad06ded51290a7b922a5bb6b021654e486bae4b4f318786cc5cb220db8a2994');
INSERT INTO "audit" VALUES(4,1800000000000,'user','user_0000000001','price.set','device_time/*','done','{"price_microeur": 3600000}','7ad06ded51290a7b922a5bb6b021654e486bae4b4f318786cc5cb220db8a2994','2feecb979e1fa6f2746747206ce753292277d0f0010fba1b26706220244a290b');
INSERT INTO "audit" VALUES(5,1800000000000,'user','user_0000000001','price.set','tokens_in/*','done','{"price_microeur": 1000000}','2feecb979e1fa6f2746747206ce753292277d0f0010fba1b26706220244a290b','b79dadcf7568fb6c8f65f463ee251b1069976c3806b9bf9ce4da1ddca657a7f6');
INSERT INTO "audit" VALUES(6,1800000000000,'user','user_0000000001','price.set','tokens_out/*','done','{"price_microeur": 1000000}','b79dadcf7568fb6c8f65f463ee251b1069976c3806b9bf9ce4da1ddca657a7f6','2a37e8c9d241d4c36dacd78f939aa71582dc1bd7232a6b8c0303ea534d7f4e5d');
INSERT INTO "audit" VALUES(7,1800000000000,'user','user_0000000001','tenant.add','acme','done','{"countries": []}','2a37e8c9d241d4c36dacd78f939aa71582dc1bd7232a6b8c0303ea534d7f4e5d','64bdb3fc9ef35b623f6bcd29b47515922d1b81c83d9bbd7abe5476079973aa8d');
INSERT INTO "audit" VALUES(8,1800000000000,'user','user_0000000001','project.add','acme/lab','done','{}','64bdb3fc9ef35b623f6bcd29b47515922d1b81c83d9bbd7abe5476079973aa8d','0cc330121ea8eb827fc39174a367b1d52977a89f49c85828a52157719794df7a');
INSERT INTO "audit" VALUES(9,1800000000000,'user','user_0000000001','tenant.add','lumen','done','{"countries": ["FR"]}','0cc330121ea8eb827fc39174a367b1d52977a89f49c85828a52157719794df7a','420cb9847098a5f2e8827cdd78f6c3e26ee3d29dfaefad06667e2fc6b8aa9a97');
INSERT INTO "audit" VALUES(10,1800000000000,'user','user_0000000001','project.add','lumen/lab','done','{}','420cb9847098a5f2e8827cdd78f6c3e26ee3d29dfaefad06667e2fc6b8aa9a97','9ebf0801cbf3a092eacff302bceacb57148dfad5d1cce81389ac0505ea16f20a');
INSERT INTO "audit" VALUES(11,1800000000000,'user','user_0000000001','tenant.add','nordic','done','{"countries": ["SE", "FI"]}','9ebf0801cbf3a092eacff302bceacb57148dfad5d1cce81389ac0505ea16f20a','b61312d697b6fa6651543bd20e220543375031e1fd33bf6b263b7c31b16a88d3');
INSERT INTO "audit" VALUES(12,1800000000000,'user','user_0000000001','project.add','nordic/lab','done','{}','b61312d697b6fa6651543bd20e220543375031e1fd33bf6b263b7c31b16a88d3','10ab4c15a3c2234b85d66f5070e8f9c318149f73b277f174ed8ccbfe5f3b5e23');
INSERT INTO "audit" VALUES(13,1800000000000,'user','user_0000000001','job.submit','job_0000000006','done','{"project": "acme/lab", "name": "job-1"}','10ab4c15a3c2234b85d66f5070e8f9c318149f73b277f174ed8ccbfe5f3b5e23','4087564a50a001b35f82df752ce2e282420a9bf8d4fd0895328195419cbdf46d');
INSERT INTO "audit" VALUES(14,1800000000000,'system','control','run.place','run_0000000007','done','{"workload": "job_0000000006", "site": "borlange", "devices": {"borlange-0": [0]}}','4087564a50a001b35f82df752ce2e282420a9bf8d4fd0895328195419cbdf46d','1f57093a0cc666db94bbdc1b48d1e48c10a60f846f8999971c347ae8fa750619');
INSERT INTO "audit" VALUES(15,1800000000000,'system','control','run.end','run_0000000007','done','{"observed": "exited", "exit_code": 0, "detail": ""}','1f57093a0cc666db94bbdc1b48d1e48c10a60f846f8999971c347ae8fa750619','7e6d439ce82b84c5d68a7aeb2a452376b21dddd76d1d7bd461dddaea7b9d1065');
INSERT INTO "audit" VALUES(16,1800000000000,'system','control','job.succeeded','job_0000000006','done','{"detail": ""}','7e6d439ce82b84c5d68a7aeb2a452376b21dddd76d1d7bd461dddaea7b9d1065','290d90c1ef071b8f1dcabda4fc9ceabaa354fa9fb6b6acc83f478bb0275f8e57');
INSERT INTO "audit" VALUES(17,1800000000000,'user','user_0000000001','job.submit','job_0000000010','done','{"project": "acme/lab", "name": "job-2"}','290d90c1ef071b8f1dcabda4fc9ceabaa354fa9fb6b6acc83f478bb0275f8e57','0f3cc088b9b4f9d64c3f7ee642ff6b360ee0fb3db18843e5f2de3145247c96a3');
INSERT INTO "audit" VALUES(18,1800000000000,'system','control','run.place','run_0000000011','done','{"workload": "job_0000000010", "site": "borlange", "devices": {"borlange-0": [0]}}','0f3cc088b9b4f9d64c3f7ee642ff6b360ee0fb3db18843e5f2de3145247c96a3','93c6ab0cd57048afb6f9e5c958bc6c99bf921a0f61e1b008b002d65ab5a0cf99');
INSERT INTO "audit" VALUES(19,1800000000000,'system','control','run.end','run_0000000011','done','{"observed": "exited", "exit_code": 0, "detail": ""}','93c6ab0cd57048afb6f9e5c958bc6c99bf921a0f61e1b008b002d65ab5a0cf99','2826662eb8e4b9c2d050591b8009c51d44837b1521efd290aa931ed8f8b2d84f');
INSERT INTO "audit" VALUES(20,1800000000000,'system','control','job.succeeded','job_0000000010','done','{"detail": ""}','2826662eb8e4b9c2d050591b8009c51d44837b1521efd290aa931ed8f8b2d84f','1ccdbd03c7b413ef189071046d347852d6c1880e0c5dcd90229a5e9185b24606');
INSERT INTO "audit" VALUES(21,1800000000000,'user','user_0000000001','gateway.add','gw','done','{"site": "essonne"}','1ccdbd03c7b413ef189071046d347852d6c1880e0c5dcd90229a5e9185b24606','6ccb9b1ddd99e83027279f0d0026cc235ba6250ce58e734eae272ac267652522');
INSERT INTO "audit" VALUES(22,1800000000000,'user','user_0000000001','endpoint.create','ep_0000000016','done','{"model": "m1"}','6ccb9b1ddd99e83027279f0d0026cc235ba6250ce58e734eae272ac267652522','668c54df02be39093e941ebe6a14db9c0c20013463f894b2138e5cbbf6341ad8');
INSERT INTO "audit" VALUES(23,1800000000000,'system','control','run.place','run_0000000017','done','{"workload": "ep_0000000016", "site": "borlange", "devices": {"borlange-0": [0]}}','668c54df02be39093e941ebe6a14db9c0c20013463f894b2138e5cbbf6341ad8','5efd89a3ec6889856bc289b570ac7630e6abaec3b3efa71d2d25e928b727b194');
INSERT INTO "audit" VALUES(24,1800000000000,'user','user_0000000001','job.submit','job_0000000019','done','{"project": "acme/lab", "name": "job-3"}','5efd89a3ec6889856bc289b570ac7630e6abaec3b3efa71d2d25e928b727b194','ef10e3879e821ab7a9c9e340b68a3658a49e214b4d5eb362873903dfa444854c');
INSERT INTO "audit" VALUES(25,1800000000000,'system','control','run.place','run_0000000020','done','{"workload": "job_0000000019", "site": "borlange", "devices": {"borlange-0": [1]}}','ef10e3879e821ab7a9c9e340b68a3658a49e214b4d5eb362873903dfa444854c','c2e7de0b80edeb420f528cfa98a7fa8674a13eead3b169d1efe48c9625b80726');
INSERT INTO "audit" VALUES(26,1800000005000,'user','user_0000000001','switch.off','site/borlange','done','{"reason": "maintenance", "generation": 1}','c2e7de0b80edeb420f528cfa98a7fa8674a13eead3b169d1efe48c9625b80726','7b1de150291a846ebc8d068637cb694f4d792b7333263eb7d31ee6d44f872307');
INSERT INTO "audit" VALUES(27,1800000005000,'system','control','run.stop','run_0000000017','done','{"reason": "held", "detail": ""}','7b1de150291a846ebc8d068637cb694f4d792b7333263eb7d31ee6d44f872307','bc7fbca7b8ec9de38104793717de208e5c7ce1d400bd96315320a7444b63ea9b');
INSERT INTO "audit" VALUES(28,1800000005000,'system','control','run.stop','run_0000000020','done','{"reason": "held", "detail": ""}','bc7fbca7b8ec9de38104793717de208e5c7ce1d400bd96315320a7444b63ea9b','930821e34f05a6b9683702d0f6a8e075aad2b08e74bf6a078f747f1a837613ac');
INSERT INTO "audit" VALUES(29,1800000005000,'system','control','run.place','run_0000000023','done','{"workload": "ep_0000000016", "site": "essonne", "devices": {"essonne-0": [0]}}','930821e34f05a6b9683702d0f6a8e075aad2b08e74bf6a078f747f1a837613ac','ec82b1b241096155fbea59343d49f637ba25c7fdc81281bc31020778abf87d52');
INSERT INTO "audit" VALUES(30,1800000005000,'user','user_0000000001','user.add','user_0000000025','done','{"role": "tenant_admin", "tenant": "acme"}','ec82b1b241096155fbea59343d49f637ba25c7fdc81281bc31020778abf87d52','001011b52ac924ca7bfb630b16ba6388aaffd518c05552195870211effb869f3');
INSERT INTO "audit" VALUES(31,1800000005000,'user','user_0000000001','user.add','user_0000000027','done','{"role": "auditor", "tenant": null}','001011b52ac924ca7bfb630b16ba6388aaffd518c05552195870211effb869f3','2f8432fe958961371014b54d10c36b4b40f8b08ff598755daec708b96cd3df11');
INSERT INTO "audit" VALUES(32,1800000005000,'user','user_0000000001','key.create','key_0000000030','done','{"project": "acme/lab", "prefix": "bk_secret"}','2f8432fe958961371014b54d10c36b4b40f8b08ff598755daec708b96cd3df11','417d220f0005cbe50346ae9b6a3ea6601bc4dccc0b52dd01ffa356f64177da85');
INSERT INTO "audit" VALUES(33,1800086405000,'user','user_0000000001','invoice.issue','BRUK-000001','done','{"total_microeur": 5030}','417d220f0005cbe50346ae9b6a3ea6601bc4dccc0b52dd01ffa356f64177da85','2a12069698c84251c6b15702579a673b355e2f82946676043c653814f6704ddb');
INSERT INTO "audit" VALUES(34,1800086405000,'user','user_0000000001','job.submit','job_0000000031','done','{"project": "lumen/lab", "name": "job-4"}','2a12069698c84251c6b15702579a673b355e2f82946676043c653814f6704ddb','2e168e36fbef614a327ccec87797557b491850be574e5e629265f7ff28421289');
CREATE TABLE budget_slice (
	gateway VARCHAR(200) NOT NULL, 
	project VARCHAR(200) NOT NULL, 
	granted_microeur BIGINT NOT NULL, 
	settled_microeur BIGINT NOT NULL, 
	CONSTRAINT pk_budget_slice PRIMARY KEY (gateway, project), 
	CONSTRAINT fk_budget_slice_gateway FOREIGN KEY(gateway) REFERENCES gateway (name), 
	CONSTRAINT fk_budget_slice_project FOREIGN KEY(project) REFERENCES project (id), 
	CONSTRAINT ck_budget_slice_grows CHECK (granted_microeur >= 0)
);
INSERT INTO "budget_slice" VALUES('gw','acme/lab',0,30);
CREATE TABLE counter (
	name VARCHAR(200) NOT NULL, 
	value BIGINT NOT NULL, 
	CONSTRAINT pk_counter PRIMARY KEY (name)
);
INSERT INTO "counter" VALUES('epoch/gw',3);
INSERT INTO "counter" VALUES('switch_generation',1);
INSERT INTO "counter" VALUES('invoice',1);
CREATE TABLE credential (
	secret_hash VARCHAR(200) NOT NULL, 
	kind VARCHAR(10) NOT NULL, 
	user_id VARCHAR(200) NOT NULL, 
	created_at_ms BIGINT NOT NULL, 
	expires_at_ms BIGINT NOT NULL, 
	used BOOLEAN NOT NULL, 
	CONSTRAINT pk_credential PRIMARY KEY (secret_hash), 
	CONSTRAINT fk_credential_user_id FOREIGN KEY(user_id) REFERENCES user_account (id), 
	CONSTRAINT ck_credential_kind CHECK (kind IN ('login', 'session', 'token'))
);
INSERT INTO "credential" VALUES('dd0a54cfe81517f77ecf7a8c65185b90a6132ca93606852c1a7327763332e618','login','user_0000000001',1800000000000,1800086400000,0);
INSERT INTO "credential" VALUES('2b4fa0786fdc868fe7cd754ca96017bc31c97f5c10be0e9e193f3b1d421dfdb2','token','user_0000000001',1800000000000,1831536000000,0);
INSERT INTO "credential" VALUES('c858485a75ab44e38bb55fd3fdb1b8db4be146f811a56dc6bc181db429feceba','login','user_0000000025',1800000005000,1800086405000,0);
INSERT INTO "credential" VALUES('b0083862e4213ad610ccc7922bda39845d5f6e844ad03ccfb35fb233a92d9647','login','user_0000000027',1800000005000,1800086405000,0);
CREATE TABLE evaluation (
	id VARCHAR(200) NOT NULL, 
	model VARCHAR(200) NOT NULL, 
	job VARCHAR(200) NOT NULL, 
	at_ms BIGINT NOT NULL, 
	figures_micro JSON NOT NULL, 
	gate JSON, 
	passed BOOLEAN NOT NULL, 
	record JSON NOT NULL, 
	CONSTRAINT pk_evaluation PRIMARY KEY (id), 
	CONSTRAINT fk_evaluation_model FOREIGN KEY(model) REFERENCES model (id)
);
INSERT INTO "evaluation" VALUES('eval_0000000014','m1','job_0000000010',1800000000000,'{"bits_per_byte": 1500000, "gzip_bits_per_byte": 2000000}','{"metric": "bits_per_byte", "baseline": "gzip_bits_per_byte", "rule": "at_most", "limit_permille": 900}',1,'{"bits_per_byte": 1.5, "gzip_bits_per_byte": 2.0}');
CREATE TABLE gateway (
	name VARCHAR(200) NOT NULL, 
	site VARCHAR(200) NOT NULL, 
	token_hash TEXT NOT NULL, 
	last_sync_at_ms BIGINT, 
	lease_until_ms BIGINT, 
	journal TEXT NOT NULL, 
	usage_seq BIGINT NOT NULL, 
	created_at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_gateway PRIMARY KEY (name), 
	CONSTRAINT fk_gateway_site FOREIGN KEY(site) REFERENCES site (name)
);
INSERT INTO "gateway" VALUES('gw','essonne','5700d6f4625dd43c7cf30ab1b1545df267d2ee5135e916a2dfae75f2606822a1',1800000005000,1800000015000,'journal-gw',1,1800000000000);
CREATE TABLE hold (
	id VARCHAR(200) NOT NULL, 
	scope TEXT NOT NULL, 
	target TEXT NOT NULL, 
	generation BIGINT NOT NULL, 
	raised_by TEXT NOT NULL, 
	raised_at_ms BIGINT NOT NULL, 
	reason TEXT NOT NULL, 
	released_by TEXT, 
	released_at_ms BIGINT, 
	released_generation BIGINT, 
	CONSTRAINT pk_hold PRIMARY KEY (id), 
	CONSTRAINT ck_hold_released_whole CHECK ((released_by IS NULL) = (released_at_ms IS NULL) AND (released_at_ms IS NULL) = (released_generation IS NULL))
);
INSERT INTO "hold" VALUES('hold_0000000021','site','borlange',1,'user_0000000001',1800000005000,'maintenance',NULL,NULL,NULL);
CREATE TABLE idempotency (
	caller VARCHAR(200) NOT NULL, 
	"key" VARCHAR(200) NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	status INTEGER NOT NULL, 
	answer JSON NOT NULL, 
	at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_idempotency PRIMARY KEY (caller, "key")
);
CREATE TABLE invoice (
	number VARCHAR(200) NOT NULL, 
	tenant VARCHAR(200) NOT NULL, 
	from_ms BIGINT NOT NULL, 
	to_ms BIGINT NOT NULL, 
	issued_at_ms BIGINT NOT NULL, 
	document JSON NOT NULL, 
	CONSTRAINT pk_invoice PRIMARY KEY (number), 
	CONSTRAINT fk_invoice_tenant FOREIGN KEY(tenant) REFERENCES tenant (name)
);
INSERT INTO "invoice" VALUES('BRUK-000001','acme',0,1800086405000,1800086405000,'{"kind": "invoice", "body": {"document": "invoice", "format": 1, "number": "BRUK-000001", "seller": ["The operator of this cloud"], "tenant": "acme", "buyer": ["acme"], "issued_at_ms": 1800086405000, "period_from_ms": 0, "period_to_ms": 1800086405000, "tax_note": "Amounts are net of value-added tax.", "currency": "EUR", "lines": [{"line": 1, "project": "acme/lab", "site": "borlange", "resource": "device_time", "item": "h100-sxm", "quantity": 5000, "unit": "device_ms", "price_microeur": 3600000, "price_per": 3600000, "price_version": 1, "amount_microeur": 5000, "entries": 1, "note": ""}, {"line": 2, "project": "acme/lab", "site": "essonne", "resource": "tokens_in", "item": "m", "quantity": 10, "unit": "token", "price_microeur": 1000000, "price_per": 1000000, "price_version": 1, "amount_microeur": 10, "entries": 1, "note": ""}, {"line": 3, "project": "acme/lab", "site": "essonne", "resource": "tokens_out", "item": "m", "quantity": 20, "unit": "token", "price_microeur": 1000000, "price_per": 1000000, "price_version": 1, "amount_microeur": 20, "entries": 1, "note": ""}], "energy": [{"site": "borlange", "quality": "estimated", "it_energy_j": 4280, "energy_j": 6420, "carbon_mg": 44}], "energy_total": {"it_energy_j": 4280, "energy_j": 6420, "carbon_mg": 44}, "factors": [{"site": "borlange", "zone": "SE-SE3", "pue_milli": 1500, "intensity_mg_per_kwh": 23428, "source": "PUE: assumed; intensity: mean over 2022 of this UTC hour of day; Electricity Maps, published by Sukprasert et al., EuroSys 2024 (decarbonization-potential)"}, {"site": "essonne", "zone": "FR", "pue_milli": 1500, "intensity_mg_per_kwh": 99453, "source": "PUE: assumed; intensity: mean over 2022 of this UTC hour of day; Electricity Maps, published by Sukprasert et al., EuroSys 2024 (decarbonization-potential)"}], "total_microeur": 5030, "total_cents": 1, "rounding": "half to even, once, on the total", "checkpoint": {"chain": "ledger", "seq": 3, "hash": "61eb0f563fcd312450d0aa1db443803d45ed46ab69a98a66b57753f098ed8787", "at_ms": 1800086405000, "key_id": "485c50c32eb4e907", "signature": "oCiO_jwtTPpLgcANMyuFCve7Qfd1tRSUx32PuBRxNIAkX4lZCthE5aGZbg7SEwOCyMeGFP3qgXYOMoM4DU_nBA"}}, "key_id": "485c50c32eb4e907", "signature": "-P-TWHhTL7H2vGKHKwoWndsrFtK55tR-4S6yyyiK0KASEhogndGnH02hONSmuHwoPXa4IWn8bPq2Rpvwf-QCBA"}');
CREATE TABLE ledger (
	seq BIGINT NOT NULL, 
	"key" VARCHAR(300) NOT NULL, 
	at_ms BIGINT NOT NULL, 
	from_ms BIGINT NOT NULL, 
	to_ms BIGINT NOT NULL, 
	tenant VARCHAR(200) NOT NULL, 
	project VARCHAR(200) NOT NULL, 
	site TEXT NOT NULL, 
	resource TEXT NOT NULL, 
	item TEXT NOT NULL, 
	quantity BIGINT NOT NULL, 
	price_microeur BIGINT NOT NULL, 
	price_version INTEGER NOT NULL, 
	amount_microeur BIGINT NOT NULL, 
	workload VARCHAR(200) NOT NULL, 
	run TEXT NOT NULL, 
	request TEXT NOT NULL, 
	gateway TEXT NOT NULL, 
	it_energy_j BIGINT NOT NULL, 
	energy_j BIGINT NOT NULL, 
	carbon_mg BIGINT NOT NULL, 
	quality TEXT, 
	note TEXT NOT NULL, 
	prev VARCHAR(64) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_ledger PRIMARY KEY (seq), 
	CONSTRAINT ck_ledger_forward CHECK (to_ms >= from_ms), 
	CONSTRAINT fk_ledger_project FOREIGN KEY(project) REFERENCES project (id), 
	CONSTRAINT fk_ledger_tenant FOREIGN KEY(tenant) REFERENCES tenant (name), 
	CONSTRAINT ck_ledger_quantity CHECK (quantity >= 0), 
	CONSTRAINT uq_ledger_hash UNIQUE (hash), 
	CONSTRAINT uq_ledger_key UNIQUE ("key")
);
INSERT INTO "ledger" VALUES(1,'gw/gw/journal-gw/1/tokens_in',1800000000000,1800000000000,1800000000000,'acme','acme/lab','essonne','tokens_in','m',10,1000000,1,10,'ep','run','req-1','gw',0,0,0,NULL,'','0000000000000000000000000000000000000000000000000000000000000000','602be88d2e8a6c86d9bb2c14b46fb40eb4f7006a2ac806c38bffb8320d691f0e');
INSERT INTO "ledger" VALUES(2,'gw/gw/journal-gw/1/tokens_out',1800000000000,1800000000000,1800000000000,'acme','acme/lab','essonne','tokens_out','m',20,1000000,1,20,'ep','run','req-1','gw',0,0,0,NULL,'','602be88d2e8a6c86d9bb2c14b46fb40eb4f7006a2ac806c38bffb8320d691f0e','d34fb0441fe5db42328bd20a45be528eb31115636a16c5aed5a769d65883d865');
INSERT INTO "ledger" VALUES(3,'run/run_0000000020/1800000000000',1800000005000,1800000000000,1800000005000,'acme','acme/lab','borlange','device_time','h100-sxm',5000,3600000,1,5000,'job_0000000019','run_0000000020','','',4280,6420,44,'estimated','h100-sxm: 700 W at 100% load, server factor 1.223; intensity: mean over 2022 of this UTC hour of day; Electricity Maps, published by Sukprasert et al., EuroSys 2024 (decarbonization-potential)','d34fb0441fe5db42328bd20a45be528eb31115636a16c5aed5a769d65883d865','61eb0f563fcd312450d0aa1db443803d45ed46ab69a98a66b57753f098ed8787');
CREATE TABLE model (
	id VARCHAR(200) NOT NULL, 
	project VARCHAR(200) NOT NULL, 
	artifact VARCHAR(200) NOT NULL, 
	stage TEXT NOT NULL, 
	created_at_ms BIGINT NOT NULL, 
	job VARCHAR(200), 
	parents JSON NOT NULL, 
	gate JSON, 
	CONSTRAINT pk_model PRIMARY KEY (id), 
	CONSTRAINT fk_model_artifact FOREIGN KEY(artifact) REFERENCES artifact (id), 
	CONSTRAINT fk_model_project FOREIGN KEY(project) REFERENCES project (id)
);
INSERT INTO "model" VALUES('m1','acme/lab','art_0000000009','served',1800000000000,'job_0000000006','[]','null');
CREATE TABLE node (
	site VARCHAR(200) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	pool TEXT NOT NULL, 
	accelerator TEXT NOT NULL, 
	devices INTEGER NOT NULL, 
	cpu_milli BIGINT NOT NULL, 
	memory_bytes BIGINT NOT NULL, 
	domain TEXT NOT NULL, 
	health TEXT NOT NULL, 
	drained BOOLEAN NOT NULL, 
	CONSTRAINT pk_node PRIMARY KEY (site, name), 
	CONSTRAINT fk_node_site FOREIGN KEY(site) REFERENCES site (name), 
	CONSTRAINT ck_node_devices CHECK (devices >= 0)
);
INSERT INTO "node" VALUES('essonne','essonne-0','pool','h100-sxm',4,64000,1099511627776,'','ok',0);
INSERT INTO "node" VALUES('essonne','essonne-1','pool','h100-sxm',4,64000,1099511627776,'','ok',0);
INSERT INTO "node" VALUES('borlange','borlange-0','pool','h100-sxm',4,64000,1099511627776,'','ok',0);
INSERT INTO "node" VALUES('borlange','borlange-1','pool','h100-sxm',4,64000,1099511627776,'','ok',0);
CREATE TABLE price (
	resource VARCHAR(20) NOT NULL, 
	item VARCHAR(200) NOT NULL, 
	version INTEGER NOT NULL, 
	price_microeur BIGINT NOT NULL, 
	effective_from_ms BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	CONSTRAINT pk_price PRIMARY KEY (resource, item, version), 
	CONSTRAINT ck_price_not_negative CHECK (price_microeur >= 0)
);
INSERT INTO "price" VALUES('device_time','*',1,3600000,1800000000000,'user_0000000001');
INSERT INTO "price" VALUES('tokens_in','*',1,1000000,1800000000000,'user_0000000001');
INSERT INTO "price" VALUES('tokens_out','*',1,1000000,1800000000000,'user_0000000001');
CREATE TABLE project (
	id VARCHAR(200) NOT NULL, 
	tenant VARCHAR(200) NOT NULL, 
	name TEXT NOT NULL, 
	display_name TEXT NOT NULL, 
	residency JSON NOT NULL, 
	quota_devices INTEGER, 
	budget_microeur BIGINT, 
	created_at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_project PRIMARY KEY (id), 
	CONSTRAINT fk_project_tenant FOREIGN KEY(tenant) REFERENCES tenant (name)
);
INSERT INTO "project" VALUES('acme/lab','acme','lab','lab','{"countries": [], "operators": [], "sites": []}',NULL,NULL,1800000000000);
INSERT INTO "project" VALUES('lumen/lab','lumen','lab','lab','{"countries": [], "operators": [], "sites": []}',NULL,NULL,1800000000000);
INSERT INTO "project" VALUES('nordic/lab','nordic','lab','lab','{"countries": [], "operators": [], "sites": []}',NULL,NULL,1800000000000);
CREATE TABLE receipt (
	id VARCHAR(200) NOT NULL, 
	hold VARCHAR(200) NOT NULL, 
	action VARCHAR(3) NOT NULL, 
	generation BIGINT NOT NULL, 
	created_at_ms BIGINT NOT NULL, 
	complete BOOLEAN NOT NULL, 
	baseline JSON NOT NULL, 
	document JSON, 
	CONSTRAINT pk_receipt PRIMARY KEY (id), 
	CONSTRAINT ck_receipt_complete_is_written CHECK (NOT complete OR document IS NOT NULL), 
	CONSTRAINT fk_receipt_hold FOREIGN KEY(hold) REFERENCES hold (id), 
	CONSTRAINT ck_receipt_action CHECK (action IN ('off', 'on'))
);
INSERT INTO "receipt" VALUES('rcpt_0000000022','hold_0000000021','off',1,1800000005000,0,'{"agent/borlange": {"enforcer": "agent", "id": "borlange", "generation": 0, "at_ms": 1800000005000, "refused": 0, "drained": 0, "stopped": 0, "processes_left": 0}, "agent/essonne": {"enforcer": "agent", "id": "essonne", "generation": 0, "at_ms": 1800000000000, "refused": 0, "drained": 0, "stopped": 0, "processes_left": 0}, "gateway/gw": {"enforcer": "gateway", "id": "gw", "generation": 0, "at_ms": 1800000000000, "refused": 0, "drained": 0, "stopped": 0, "processes_left": 0}}','null');
CREATE TABLE run (
	id VARCHAR(200) NOT NULL, 
	workload VARCHAR(200) NOT NULL, 
	project VARCHAR(200) NOT NULL, 
	site VARCHAR(200) NOT NULL, 
	attempt INTEGER NOT NULL, 
	placement JSON NOT NULL, 
	accelerator TEXT NOT NULL, 
	created_at_ms BIGINT NOT NULL, 
	generation BIGINT NOT NULL, 
	wanted TEXT NOT NULL, 
	stop_reason TEXT, 
	stop_requested_at_ms BIGINT, 
	observed VARCHAR(10) NOT NULL, 
	exit_code INTEGER, 
	detail TEXT NOT NULL, 
	started_at_ms BIGINT, 
	ended_at_ms BIGINT, 
	address TEXT NOT NULL, 
	ready BOOLEAN NOT NULL, 
	resumed_from_step BIGINT, 
	software TEXT NOT NULL, 
	metered_until_ms BIGINT, 
	settled BOOLEAN NOT NULL, 
	replica_key TEXT NOT NULL, 
	interrupted BOOLEAN NOT NULL, 
	progress JSON, 
	carry JSON, 
	outputs JSON, 
	why JSON, 
	CONSTRAINT pk_run PRIMARY KEY (id), 
	CONSTRAINT ck_run_exited_has_status CHECK ((observed = 'exited') = (exit_code IS NOT NULL)), 
	CONSTRAINT ck_run_ended_has_time CHECK ((observed IN ('exited', 'lost')) = (ended_at_ms IS NOT NULL)), 
	CONSTRAINT ck_run_stop_has_reason CHECK ((wanted = 'stop') = (stop_reason IS NOT NULL)), 
	CONSTRAINT ck_run_ready_lives CHECK (NOT ready OR observed IN ('running', 'stopping')), 
	CONSTRAINT ck_run_settled_has_ended CHECK (NOT settled OR observed IN ('exited', 'lost')), 
	CONSTRAINT fk_run_project FOREIGN KEY(project) REFERENCES project (id), 
	CONSTRAINT fk_run_site FOREIGN KEY(site) REFERENCES site (name), 
	CONSTRAINT fk_run_workload FOREIGN KEY(workload) REFERENCES workload (id), 
	CONSTRAINT uq_run_workload_attempt UNIQUE (workload, attempt)
);
INSERT INTO "run" VALUES('run_0000000007','job_0000000006','acme/lab','borlange',1,'[{"node": "borlange-0", "devices": [0]}]','h100-sxm',1800000000000,1,'start',NULL,NULL,'exited',0,'',1800000000000,1800000000000,'',0,NULL,'',NULL,1,'',0,'null','{}','[{"name": "model", "kind": "file", "digest": "d362167fd47565eef34be284ce3082a6db25a3d58e6ecfbeeddd499bb61cd709", "size_bytes": 13}]','{"pending": "job_0000000006", "workload": "job_0000000006", "site": "borlange", "accelerator": "h100-sxm", "devices": [{"node": "borlange-0", "devices": [0]}], "filtered": {}, "leading": [{"site": "borlange", "nodes": ["borlange-0"], "score": 3}, {"site": "borlange", "nodes": ["borlange-1"], "score": 3}, {"site": "essonne", "nodes": ["essonne-0"], "score": 3}]}');
INSERT INTO "run" VALUES('run_0000000011','job_0000000010','acme/lab','borlange',1,'[{"node": "borlange-0", "devices": [0]}]','h100-sxm',1800000000000,1,'start',NULL,NULL,'exited',0,'',1800000000000,1800000000000,'',0,NULL,'',NULL,1,'',0,'null','{}','[{"name": "evaluation.json", "kind": "file", "digest": "1490ad5deb888e7a7119218d9b6adda9a68b5d984395a8ec520d2299410e44e3", "size_bytes": 49}]','{"pending": "job_0000000010", "workload": "job_0000000010", "site": "borlange", "accelerator": "h100-sxm", "devices": [{"node": "borlange-0", "devices": [0]}], "filtered": {}, "leading": [{"site": "borlange", "nodes": ["borlange-0"], "score": 3}, {"site": "borlange", "nodes": ["borlange-1"], "score": 3}, {"site": "essonne", "nodes": ["essonne-0"], "score": 3}]}');
INSERT INTO "run" VALUES('run_0000000017','ep_0000000016','acme/lab','borlange',1,'[{"node": "borlange-0", "devices": [0]}]','h100-sxm',1800000000000,2,'stop','held',1800000005000,'running',NULL,'',1800000000000,NULL,'http://127.0.0.1:9999',1,NULL,'',NULL,0,'secret-00000000000000000000000018',0,'null','{}','[]','{"pending": "ep_0000000016#0", "workload": "ep_0000000016", "site": "borlange", "accelerator": "h100-sxm", "devices": [{"node": "borlange-0", "devices": [0]}], "filtered": {}, "leading": [{"site": "borlange", "nodes": ["borlange-0"], "score": 3}, {"site": "borlange", "nodes": ["borlange-1"], "score": 3}, {"site": "essonne", "nodes": ["essonne-0"], "score": 3}]}');
INSERT INTO "run" VALUES('run_0000000020','job_0000000019','acme/lab','borlange',1,'[{"node": "borlange-0", "devices": [1]}]','h100-sxm',1800000000000,2,'stop','held',1800000005000,'running',NULL,'',1800000000000,NULL,'',0,NULL,'',1800000005000,0,'',0,'null','{"it_energy_mj": 500, "energy_mj": 750, "carbon_ug": 89}','[]','{"pending": "job_0000000019", "workload": "job_0000000019", "site": "borlange", "accelerator": "h100-sxm", "devices": [{"node": "borlange-0", "devices": [1]}], "filtered": {}, "leading": [{"site": "borlange", "nodes": ["borlange-0"], "score": 2}, {"site": "borlange", "nodes": ["borlange-1"], "score": 3}, {"site": "essonne", "nodes": ["essonne-0"], "score": 3}]}');
INSERT INTO "run" VALUES('run_0000000023','ep_0000000016','acme/lab','essonne',2,'[{"node": "essonne-0", "devices": [0]}]','h100-sxm',1800000005000,1,'start',NULL,NULL,'assigned',NULL,'',NULL,NULL,'',0,NULL,'',NULL,0,'secret-00000000000000000000000024',0,NULL,'{}','[]','{"pending": "ep_0000000016#0", "workload": "ep_0000000016", "site": "essonne", "accelerator": "h100-sxm", "devices": [{"node": "essonne-0", "devices": [0]}], "filtered": {"held": 2}, "leading": [{"site": "essonne", "nodes": ["essonne-0"], "score": 3}, {"site": "essonne", "nodes": ["essonne-1"], "score": 3}]}');
CREATE TABLE setting (
	name VARCHAR(200) NOT NULL, 
	value JSON NOT NULL, 
	CONSTRAINT pk_setting PRIMARY KEY (name)
);
CREATE TABLE site (
	name VARCHAR(200) NOT NULL, 
	display_name TEXT NOT NULL, 
	country VARCHAR(2) NOT NULL, 
	grid_zone TEXT NOT NULL, 
	operator TEXT NOT NULL, 
	engine TEXT NOT NULL, 
	pue_milli INTEGER NOT NULL, 
	pue_source TEXT NOT NULL, 
	cut_off TEXT NOT NULL, 
	lease_ms BIGINT NOT NULL, 
	isolation TEXT NOT NULL, 
	isolation_accepted BOOLEAN NOT NULL, 
	created_at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_site PRIMARY KEY (name), 
	CONSTRAINT ck_site_pue_from_one CHECK (pue_milli >= 1000)
);
INSERT INTO "site" VALUES('essonne','essonne','FR','FR','Bruk AB','local',1500,'assumed','continue',60000,'sandbox',0,1800000000000);
INSERT INTO "site" VALUES('borlange','borlange','SE','SE-SE3','Bruk AB','local',1500,'assumed','continue',60000,'sandbox',0,1800000000000);
CREATE TABLE tenant (
	name VARCHAR(200) NOT NULL, 
	display_name TEXT NOT NULL, 
	residency JSON NOT NULL, 
	weight INTEGER NOT NULL, 
	budget_microeur BIGINT, 
	grant_device_ms BIGINT, 
	created_at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_tenant PRIMARY KEY (name), 
	CONSTRAINT ck_tenant_weight CHECK (weight >= 1)
);
INSERT INTO "tenant" VALUES('acme','acme','{"countries": [], "operators": [], "sites": []}',1,NULL,NULL,1800000000000);
INSERT INTO "tenant" VALUES('lumen','lumen','{"countries": ["FR"], "operators": [], "sites": []}',1,NULL,NULL,1800000000000);
INSERT INTO "tenant" VALUES('nordic','nordic','{"countries": ["SE", "FI"], "operators": [], "sites": []}',1,NULL,NULL,1800000000000);
CREATE TABLE user_account (
	id VARCHAR(200) NOT NULL, 
	name TEXT NOT NULL, 
	role TEXT NOT NULL, 
	tenant VARCHAR(200), 
	site VARCHAR(200), 
	disabled BOOLEAN NOT NULL, 
	created_at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_user_account PRIMARY KEY (id), 
	CONSTRAINT fk_user_account_site FOREIGN KEY(site) REFERENCES site (name), 
	CONSTRAINT fk_user_account_tenant FOREIGN KEY(tenant) REFERENCES tenant (name)
);
INSERT INTO "user_account" VALUES('user_0000000001','operator','operator',NULL,NULL,0,1800000000000);
INSERT INTO "user_account" VALUES('user_0000000025','tenant_admin of acme','tenant_admin','acme',NULL,0,1800000005000);
INSERT INTO "user_account" VALUES('user_0000000027','auditor of None','auditor',NULL,NULL,0,1800000005000);
CREATE TABLE waiting (
	pending VARCHAR(200) NOT NULL, 
	workload VARCHAR(200) NOT NULL, 
	reason JSON NOT NULL, 
	since_ms BIGINT NOT NULL, 
	CONSTRAINT pk_waiting PRIMARY KEY (pending), 
	CONSTRAINT fk_waiting_workload FOREIGN KEY(workload) REFERENCES workload (id)
);
INSERT INTO "waiting" VALUES('job_0000000031','job_0000000031','{"code": "site_away", "summary": "It waits because at essonne its agent does not answer.", "advice": "Start the agent of site essonne there (''bruk up'', or ''bruk agent --site essonne''), or bring back its connection.", "sites": [{"site": "borlange", "code": "residency", "detail": "residency refuses it: country SE is not among FR", "nodes_total": 2, "nodes_refused": {"residency": 2}}, {"site": "essonne", "code": "site_away", "detail": "its agent does not answer", "nodes_total": 2, "nodes_refused": {"site_away": 2}}], "not_before_ms": null}',1800086405000);
CREATE TABLE workload (
	id VARCHAR(200) NOT NULL, 
	name TEXT NOT NULL, 
	project VARCHAR(200) NOT NULL, 
	kind VARCHAR(10) NOT NULL, 
	spec JSON NOT NULL, 
	created_at_ms BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	priority INTEGER NOT NULL, 
	wanted TEXT NOT NULL, 
	outcome VARCHAR(10) NOT NULL, 
	outcome_detail TEXT NOT NULL, 
	ended_at_ms BIGINT, 
	not_before_ms BIGINT NOT NULL, 
	failures INTEGER NOT NULL, 
	CONSTRAINT pk_workload PRIMARY KEY (id), 
	CONSTRAINT ck_workload_open_has_no_end CHECK ((outcome = 'open') = (ended_at_ms IS NULL)), 
	CONSTRAINT ck_workload_cancelled_was_asked CHECK (outcome <> 'cancelled' OR wanted = 'stop'), 
	CONSTRAINT ck_workload_priority CHECK (priority BETWEEN 0 AND 100), 
	CONSTRAINT fk_workload_project FOREIGN KEY(project) REFERENCES project (id), 
	CONSTRAINT ck_workload_kind CHECK (kind IN ('job', 'endpoint'))
);
INSERT INTO "workload" VALUES('job_0000000006','job-1','acme/lab','job','{"purpose": "other", "command": ["python", "train.py"], "recipe": "", "config": {}, "env": {}, "software": {"kind": "site", "reference": ""}, "resources": {"nodes": 1, "devices": 1, "accelerators": [], "cpu_milli": 0, "memory_bytes": 0}, "inputs": {}, "outputs": ["model"], "model": "m1", "evaluates": "", "sites": [], "time_limit_s": 3600, "retry_limit": 0, "grace_s": 30, "disk_bytes": 10737418240, "preemptible": true, "deadline_at_ms": null}',1800000000000,'user_0000000001',50,'run','succeeded','',1800000000000,0,0);
INSERT INTO "workload" VALUES('job_0000000010','job-2','acme/lab','job','{"purpose": "evaluate", "command": [], "recipe": "evaluate", "config": {}, "env": {}, "software": {"kind": "site", "reference": ""}, "resources": {"nodes": 1, "devices": 1, "accelerators": [], "cpu_milli": 0, "memory_bytes": 0}, "inputs": {"model": "art_0000000009"}, "outputs": ["evaluation.json"], "model": "", "evaluates": "m1", "sites": [], "time_limit_s": 3600, "retry_limit": 0, "grace_s": 30, "disk_bytes": 10737418240, "preemptible": true, "deadline_at_ms": null}',1800000000000,'user_0000000001',50,'run','succeeded','',1800000000000,0,0);
INSERT INTO "workload" VALUES('ep_0000000016','m1','acme/lab','endpoint','{"model": "m1", "serving_engine": "auto", "resources": {"nodes": 1, "devices": 1, "accelerators": [], "cpu_milli": 0, "memory_bytes": 0}, "replicas": 1, "tenants": [], "sites": [], "context_tokens": 1024, "grace_s": 10}',1800000000000,'user_0000000001',60,'run','open','',NULL,0,0);
INSERT INTO "workload" VALUES('job_0000000019','job-3','acme/lab','job','{"purpose": "other", "command": ["python", "train.py"], "recipe": "", "config": {}, "env": {}, "software": {"kind": "site", "reference": ""}, "resources": {"nodes": 1, "devices": 1, "accelerators": [], "cpu_milli": 0, "memory_bytes": 0}, "inputs": {}, "outputs": ["weights"], "model": "", "evaluates": "", "sites": [], "time_limit_s": 3600, "retry_limit": 0, "grace_s": 30, "disk_bytes": 10737418240, "preemptible": true, "deadline_at_ms": null}',1800000000000,'user_0000000001',50,'run','open','',NULL,0,0);
INSERT INTO "workload" VALUES('job_0000000031','job-4','lumen/lab','job','{"purpose": "other", "command": ["python", "train.py"], "recipe": "", "config": {}, "env": {}, "software": {"kind": "site", "reference": ""}, "resources": {"nodes": 1, "devices": 1, "accelerators": [], "cpu_milli": 0, "memory_bytes": 0}, "inputs": {}, "outputs": [], "model": "", "evaluates": "", "sites": [], "time_limit_s": 3600, "retry_limit": 0, "grace_s": 30, "disk_bytes": 10737418240, "preemptible": true, "deadline_at_ms": null}',1800086405000,'user_0000000001',50,'run','open','',NULL,0,0);
CREATE UNIQUE INDEX uq_hold_standing ON hold (scope, target) WHERE released_at_ms IS NULL;
CREATE INDEX ix_artifact_digest ON artifact (digest);
CREATE INDEX ix_ledger_project_at_ms ON ledger (project, at_ms);
CREATE INDEX ix_ledger_workload ON ledger (workload);
CREATE INDEX ix_workload_outcome ON workload (outcome);
CREATE UNIQUE INDEX uq_endpoint_name_open ON workload (name) WHERE kind = 'endpoint' AND outcome = 'open';
CREATE INDEX ix_run_observed ON run (observed);
CREATE INDEX ix_run_unsettled ON run (site, settled);
CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'ledger entries are never changed'); END;
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'ledger entries are never changed'); END;
CREATE TRIGGER ledger_no_replace BEFORE INSERT ON ledger WHEN EXISTS (SELECT 1 FROM ledger WHERE seq = NEW.seq OR key = NEW.key OR hash = NEW.hash) BEGIN SELECT RAISE(ABORT, 'ledger entries are never changed'); END;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END;
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq OR hash = NEW.hash) BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END;
COMMIT;
