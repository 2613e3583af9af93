// A chat server with socket.io that stores each message in PostgreSQL before it delivers it.
// Usage: node server.js PORT DATABASE_URL
const http = require('http').createServer();
const { Server } = require('socket.io');
const { Pool } = require('pg');

const [port, connectionString] = process.argv.slice(2);
const io = new Server(http, { transports: ['websocket'], serveClient: false, perMessageDeflate: false });
const pool = new Pool({ connectionString, max: 10 });
let id = 0;

const table = `create table if not exists messages (
    id bigint, room text, author text, body text, created_at timestamptz, primary key (room, id)
)`;
const insert = {
  name: 'insert',
  text: 'insert into messages (id, room, author, body, created_at) values ($1, $2, $3, $4, $5)',
};

io.on('connection', (socket) => {
  socket.on('join', (room) => {
    socket.join(room);
    socket.emit('joined');
  });
  socket.on('post', async ({ room, author, body }) => {
    id += 1;
    const message = { id, room, author, body, at: new Date().toISOString() };
    await pool.query({ ...insert, values: [message.id, room, author, body, message.at] });
    io.to(room).emit('message_posted', message);
  });
});

pool.query(table).then(() => http.listen(Number(port), '127.0.0.1', 4096));
