BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE deployments (
	id VARCHAR(36) NOT NULL, 
	function_name VARCHAR(64) NOT NULL, 
	config TEXT NOT NULL, 
	code_sha256 VARCHAR(64) NOT NULL, 
	code_size_bytes BIGINT NOT NULL, 
	CONSTRAINT pk_deployments PRIMARY KEY (id)
);
INSERT INTO "deployments" VALUES('804499c4-d5e6-4bb2-914a-b0fa2ada52f1','orders','{"architectures":["x86_64"],"description":"Takes orders","environment":{"GREETING":"hello"},"ephemeral_storage_mib":512,"handler":"app.handler","logging":{"application_log_level":"DEBUG","log_format":"JSON","log_group":null,"system_log_level":"WARN"},"memory_mib":256,"package_type":"Zip","role":"arn:aws:iam::000000000000:role/lambda","runtime":"python3.12","timeout_s":7,"tracing_mode":"PassThrough"}','8aff13888e10ff94a35e2e080825dc69ffe7196f6a3e8ae80c98531aaab147a3',247);
INSERT INTO "deployments" VALUES('63121f5c-d724-4dc3-9718-2b1eba46cbbb','orders','{"architectures":["x86_64"],"description":"Takes orders","environment":{"GREETING":"good evening"},"ephemeral_storage_mib":1024,"handler":"app.handler","logging":{"application_log_level":"DEBUG","log_format":"JSON","log_group":null,"system_log_level":"WARN"},"memory_mib":256,"package_type":"Zip","role":"arn:aws:iam::000000000000:role/lambda","runtime":"python3.12","timeout_s":7,"tracing_mode":"PassThrough"}','71a2e478fa7b68604536ade0ac81c665f6b8051d7bcad6ba8e12f2acb9bd2569',247);
INSERT INTO "deployments" VALUES('b04b7cc3-3e58-4af4-a4c2-6d7455e5a41a','orders','{"architectures":["x86_64"],"description":"second","environment":{"GREETING":"good evening"},"ephemeral_storage_mib":1024,"handler":"app.handler","logging":{"application_log_level":"DEBUG","log_format":"JSON","log_group":null,"system_log_level":"WARN"},"memory_mib":256,"package_type":"Zip","role":"arn:aws:iam::000000000000:role/lambda","runtime":"python3.12","timeout_s":7,"tracing_mode":"PassThrough"}','71a2e478fa7b68604536ade0ac81c665f6b8051d7bcad6ba8e12f2acb9bd2569',247);
INSERT INTO "deployments" VALUES('e93e5f78-957b-4361-9dc2-22ef681c2f07','plain','{"architectures":["x86_64"],"description":"","environment":null,"ephemeral_storage_mib":512,"handler":"app.handler","logging":{"application_log_level":null,"log_format":"Text","log_group":null,"system_log_level":null},"memory_mib":128,"package_type":"Zip","role":"arn:aws:iam::000000000000:role/lambda","runtime":"python3.12","timeout_s":3,"tracing_mode":"PassThrough"}','8aff13888e10ff94a35e2e080825dc69ffe7196f6a3e8ae80c98531aaab147a3',247);
INSERT INTO "deployments" VALUES('65a2c275-bb26-4fec-a06f-b76233145326','plain','{"architectures":["x86_64"],"description":"","environment":null,"ephemeral_storage_mib":512,"handler":"app.handler","logging":{"application_log_level":null,"log_format":"Text","log_group":null,"system_log_level":null},"memory_mib":128,"package_type":"Zip","role":"arn:aws:iam::000000000000:role/lambda","runtime":"python3.12","timeout_s":3,"tracing_mode":"PassThrough"}','6ae9324e76683eadadd48deec68f76a790333ecf0ac82a64c7c581e1b9ea5211',247);
INSERT INTO "deployments" VALUES('793f6e5d-d22c-40de-aa8c-74547f71581b','unborn','{"architectures":["x86_64"],"description":"","environment":null,"ephemeral_storage_mib":512,"handler":"app.handler","logging":{"application_log_level":null,"log_format":"Text","log_group":null,"system_log_level":null},"memory_mib":128,"package_type":"Zip","role":"arn:aws:iam::000000000000:role/lambda","runtime":"python3.12","timeout_s":3,"tracing_mode":"PassThrough"}','683de6ac655164aaf946f9cbfa335394d69f86611dab4d484e4122d50d5bb176',247);
CREATE TABLE function_tags (
	function_name VARCHAR(64) NOT NULL, 
	"key" VARCHAR(128) NOT NULL, 
	value VARCHAR(256) NOT NULL, 
	CONSTRAINT pk_function_tags PRIMARY KEY (function_name, "key"), 
	CONSTRAINT fk_function_tags_function_name FOREIGN KEY(function_name) REFERENCES functions (name) ON DELETE CASCADE
);
INSERT INTO "function_tags" VALUES('orders','team','blue');
INSERT INTO "function_tags" VALUES('orders','stage','prod');
CREATE TABLE function_versions (
	function_name VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	deployment_id VARCHAR(36) NOT NULL, 
	serving_id VARCHAR(36), 
	revision_id VARCHAR(36) NOT NULL, 
	last_modified BIGINT NOT NULL, 
	state VARCHAR(32) NOT NULL, 
	state_reason TEXT, 
	state_reason_code VARCHAR(64), 
	update_status VARCHAR(32), 
	update_reason TEXT, 
	update_reason_code VARCHAR(64), 
	source_fingerprint VARCHAR(64), 
	settled_at BIGINT, 
	CONSTRAINT pk_function_versions PRIMARY KEY (function_name, number), 
	CONSTRAINT fk_function_versions_function_name FOREIGN KEY(function_name) REFERENCES functions (name) ON DELETE CASCADE, 
	CONSTRAINT fk_function_versions_deployment_id FOREIGN KEY(deployment_id) REFERENCES deployments (id), 
	CONSTRAINT fk_function_versions_serving_id FOREIGN KEY(serving_id) REFERENCES deployments (id)
);
INSERT INTO "function_versions" VALUES('orders',0,'63121f5c-d724-4dc3-9718-2b1eba46cbbb','63121f5c-d724-4dc3-9718-2b1eba46cbbb','b1dd7df2-cd56-4d32-9303-65e6c340ec8a',1795496224773086,'Active',NULL,NULL,'Successful',NULL,NULL,NULL,1795496224777344);
INSERT INTO "function_versions" VALUES('orders',1,'804499c4-d5e6-4bb2-914a-b0fa2ada52f1','804499c4-d5e6-4bb2-914a-b0fa2ada52f1','920a0766-1eb7-43ba-97ca-c1d678afae28',1795496224614424,'Active',NULL,NULL,'Successful',NULL,NULL,'2035511c204d513b33087d3d3b1748ed3c916129e7188266ad0fa99260a502a9',1795496224679972);
INSERT INTO "function_versions" VALUES('orders',2,'b04b7cc3-3e58-4af4-a4c2-6d7455e5a41a','b04b7cc3-3e58-4af4-a4c2-6d7455e5a41a','89cf7731-cdf1-4fb7-8e97-5de3ca7a6626',1795496224782864,'Active',NULL,NULL,'Successful',NULL,NULL,'110c5da8de54b1a89696388330b2c662dd0342e402805f8a307b1949cd30598d',NULL);
INSERT INTO "function_versions" VALUES('plain',0,'65a2c275-bb26-4fec-a06f-b76233145326','e93e5f78-957b-4361-9dc2-22ef681c2f07','ca4d735d-b903-4e4d-8f01-81bc96132927',1795496226857632,'Active',NULL,NULL,'InProgress','The function is being created.','Creating',NULL,1795496224795170);
INSERT INTO "function_versions" VALUES('unborn',0,'793f6e5d-d22c-40de-aa8c-74547f71581b',NULL,'d0b3edba-b0cb-4d18-a88b-a2f924ca7290',1795496226886585,'Pending','The function is being created.','Creating',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE functions (
	name VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_functions PRIMARY KEY (name)
);
INSERT INTO "functions" VALUES('orders',1795496224614424);
INSERT INTO "functions" VALUES('plain',1795496224790875);
INSERT INTO "functions" VALUES('unborn',1795496226886585);
CREATE TABLE version_counters (
	function_name VARCHAR(64) NOT NULL, 
	last_version INTEGER NOT NULL, 
	CONSTRAINT pk_version_counters PRIMARY KEY (function_name)
);
INSERT INTO "version_counters" VALUES('orders',2);
INSERT INTO "version_counters" VALUES('gone',1);
CREATE INDEX ix_deployments_function_name ON deployments (function_name);
CREATE INDEX ix_function_versions_deployment_id ON function_versions (deployment_id);
CREATE INDEX ix_function_versions_serving_id ON function_versions (serving_id);
CREATE INDEX ix_function_versions_state ON function_versions (state);
CREATE INDEX ix_function_versions_update_status ON function_versions (update_status);
COMMIT;
