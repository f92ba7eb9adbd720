// `/var/runtime/index.mjs`: runs AWS's own client.
import "./node_path.mjs";

// Version 4 runs itself when it is imported, version 3 exports what to call.
const client = await import("aws-lambda-ric");
if (client.run) {
  await client.run(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
}
